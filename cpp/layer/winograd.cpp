#include "layer/winograd.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "layer/pixels.h"
#include "layer/product.h"
#include "layer/winograd_tiles.h"

namespace earlybird::winograd {
namespace {

// If the planes of the weights are small, each thread takes a few tiles through all that is done with them, so that
// they never leave its cache. If not, the planes of the weights would be read anew for each few tiles: then all threads
// transform many tiles, and share out the planes. Each sum has the same order either way and with any number of
// threads.

constexpr int64_t kOwnCache = 384 << 10, kSharedCache = 8 << 20;  // bytes
constexpr int64_t kTilesAThread = 8, kWeightsAThread = 16;

bool small_weights(int64_t in, int64_t out) { return kPlanes * in * out * 4 <= 3 << 20; }

/// As many as a cache holds, but enough for an efficient product. Depends only on shapes, so that results have the same
/// bits with any number of threads.
int64_t tiles_at_once(const Grid& grid, int64_t in, int64_t out, int64_t cache) {
  const int64_t fit = cache / (4 * kPlanes * (Planes::row_of(in) + Planes::row_of(out)));
  const bool own = cache == kOwnCache;
  return std::min(grid.count, std::clamp<int64_t>(fit / 8 * 8, own ? 16 : 64, own ? 64 : 256));
}

/// Runs `work(plane, first column, number of columns)` on all threads.
template <typename Work>
void each_strip(int64_t columns, const Work& work) {
  constexpr int64_t kStrip = 96;
  const int64_t strips = (columns + kStrip - 1) / kStrip;
  at::parallel_for(0, kPlanes * strips, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t column = item % strips * kStrip;
      work(static_cast<int>(item / strips), column, std::min(kStrip, columns - column));
    }
  });
}

/// `images` convolved with weights (out, in, 3, 3), or with `turned` the gradient of the images.
at::Tensor convolve(const at::Tensor& images, const at::Tensor& weight, bool turned) {
  const int64_t in = weight.size(turned ? 0 : 1), out = weight.size(turned ? 1 : 0);
  const Weights weights(in, out);
  const bool rounded = images.scalar_type() == at::kBFloat16;
  const auto* values = weight.const_data_ptr<float>();
  at::parallel_for(0, product::whole_blocks(out) / product::kBlock, 1, [&](int64_t begin, int64_t end) {
    read_weights(values, weight.size(1), begin, end, turned, rounded, weights);
  });

  at::Tensor result = at::empty({images.size(0), out, images.size(2), images.size(3)},
                                images.options().memory_format(at::MemoryFormat::ChannelsLast));
  const Grid from(images), to(result);
  const bool small = small_weights(in, out);
  const int64_t at_once = tiles_at_once(from, in, out, small ? kOwnCache : kSharedCache);
  const int64_t size = Planes::size_of(at_once, in), floats = size + Planes::size_of(at_once, out);
  with_pixels(images, [&](const auto* pixels) {
    using Pixel = std::remove_cv_t<std::remove_pointer_t<decltype(pixels)>>;
    auto* written = result.data_ptr<Pixel>();
    if (small) {
      at::parallel_for(0, at_once ? (from.count + at_once - 1) / at_once : 0, 1, [&](int64_t begin, int64_t end) {
        const at::Tensor storage = at::empty({floats}, at::kFloat);
        auto* own = storage.data_ptr<float>();
        const Planes inputs(own, at_once, in), outputs(own + size, at_once, out);
        for (int64_t block = begin; block < end; ++block) {
          const int64_t first = block * at_once, last = std::min(from.count, first + at_once);
          read_inputs(pixels, from, first, last, first, inputs);
          for (int p = 0; p < kPlanes; ++p)
            product::multiply(last - first, out, in, inputs.matrix(p), false, weights.matrix(p), outputs.matrix(p),
                              false);
          write_outputs(written, to, first, last, first, outputs);
        }
      });
      return;
    }
    const at::Tensor storage = at::empty({floats}, at::kFloat);
    auto* shared = storage.data_ptr<float>();
    const Planes inputs(shared, at_once, in), outputs(shared + size, at_once, out);
    for (int64_t first = 0; first < from.count; first += at_once) {
      const int64_t count = std::min(at_once, from.count - first);
      at::parallel_for(0, count, kTilesAThread, [&](int64_t begin, int64_t end) {
        read_inputs(pixels, from, first + begin, first + end, first, inputs);
      });
      each_strip(out, [&](int p, int64_t column, int64_t columns) {
        product::multiply(count, columns, in, inputs.matrix(p), false, weights.matrix(p).from_column(column),
                          outputs.matrix(p).from_column(column), false);
      });
      at::parallel_for(0, count, kTilesAThread, [&](int64_t begin, int64_t end) {
        write_outputs(written, to, first + begin, first + end, first, outputs);
      });
    }
  });
  return result;
}

}  // namespace

at::Tensor forward(const at::Tensor& images, const at::Tensor& weight) {
  return convolve(channels_last(images), channels_last(weight), false);
}

at::Tensor backward_images(const at::Tensor& gradient, const at::Tensor& weight) {
  return convolve(channels_last(gradient), channels_last(weight), true);
}

at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images) {
  const at::Tensor pixels = channels_last(images), slopes = channels_last(gradient);
  const int64_t out = slopes.size(1), in = pixels.size(1);
  const Grid from(pixels), to(slopes);
  const int64_t at_once = tiles_at_once(from, in, out, kSharedCache), size = Planes::size_of(at_once, in);
  const at::Tensor storage = at::empty({size + Planes::size_of(at_once, out)}, at::kFloat),
                   sums = at::empty({Planes::size_of(out, in)}, at::kFloat);
  if (from.count == 0) sums.zero_();
  auto* floats = storage.data_ptr<float>();
  const Planes inputs(floats, at_once, in), outputs(floats + size, at_once, out), sum(sums.data_ptr<float>(), out, in);
  with_pixels(pixels, [&](const auto* x) {
    using Pixel = std::remove_cv_t<std::remove_pointer_t<decltype(x)>>;
    const auto* g = slopes.const_data_ptr<Pixel>();
    for (int64_t first = 0; first < from.count; first += at_once) {
      const int64_t count = std::min(at_once, from.count - first);
      at::parallel_for(0, count, kTilesAThread, [&](int64_t begin, int64_t end) {
        read_inputs(x, from, first + begin, first + end, first, inputs);
        read_gradients(g, to, first + begin, first + end, first, outputs);
      });
      each_strip(in, [&](int p, int64_t column, int64_t columns) {
        product::multiply(out, columns, count, outputs.matrix(p), true, inputs.matrix(p).from_column(column),
                          sum.matrix(p).from_column(column), first > 0);
      });
    }
  });
  at::Tensor result =
      at::empty({out, in, 3, 3}, at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  auto* written = result.data_ptr<float>();
  at::parallel_for(0, out, kWeightsAThread,
                   [&](int64_t begin, int64_t end) { write_weight_gradients(written, begin, end, in, sum); });
  return result;
}

}  // namespace earlybird::winograd
