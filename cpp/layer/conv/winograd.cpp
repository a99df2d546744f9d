#include "layer/conv/winograd.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "layer/conv/pixels.h"
#include "layer/conv/winograd_operands.h"
#include "layer/conv/winograd_tiles.h"

namespace earlybird::winograd {
namespace {

// Where the planes of the weights are small, each thread takes a few tiles through all steps, so that they never leave
// its cache. Larger planes would be read anew for each few tiles: there all threads transform many tiles, and share out
// the planes. Each sum has the same order either way and with any number of threads.

constexpr int64_t kOwnCache = 384 << 10, kSharedCache = 8 << 20;  // bytes
constexpr int64_t kTilesAThread = 8, kWeightsAThread = 16;

bool small_weights(int64_t in, int64_t out) { return kPlanes * in * out * 4 <= 3 << 20; }

/// Returns as many tiles as the cache holds, but enough for an efficient product. The number depends only on shapes, so
/// that results have the same bits with any number of threads.
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

template <typename Pixel>
Images<Pixel> images_of(const Pixel* pixels, const Grid& grid, const NormRelu& norm) {
  const auto values = [](const at::Tensor& of) { return of.defined() ? of.const_data_ptr<float>() : nullptr; };
  return {pixels, grid, values(norm.scale), values(norm.shift)};
}

/// `images` convolved with weights (out, in, 3, 3), or with `turned` the gradient of the images.
template <class Operands>
at::Tensor convolve(const at::Tensor& images, const at::Tensor& weight, bool turned, const NormRelu& norm) {
  const int64_t in = weight.size(turned ? 0 : 1), out = weight.size(turned ? 1 : 0);
  const typename Operands::Weights weights({weight, in, out, turned, images.scalar_type() == at::kBFloat16});

  at::Tensor result = at::empty({images.size(0), out, images.size(2), images.size(3)},
                                images.options().memory_format(at::MemoryFormat::ChannelsLast));
  const Grid from(images), to(result);
  const bool small = small_weights(in, out);
  const int64_t at_once = tiles_at_once(from, in, out, small ? kOwnCache : kSharedCache);
  with_pixels(images, [&](const auto* pixels) {
    using Pixel = std::remove_cv_t<std::remove_pointer_t<decltype(pixels)>>;
    auto* written = result.data_ptr<Pixel>();
    const Images<Pixel> read = images_of(pixels, from, norm);
    if (small) {
      at::parallel_for(0, at_once ? (from.count + at_once - 1) / at_once : 0, 1, [&](int64_t begin, int64_t end) {
        const typename Operands::Inputs inputs(at_once, in);
        const HeldPlanes outputs(at_once, out);
        for (int64_t block = begin; block < end; ++block) {
          const int64_t first = block * at_once, last = std::min(from.count, first + at_once);
          inputs.read(read, first, last, first);
          for (int p = 0; p < kPlanes; ++p) inputs.multiply(p, last - first, weights, 0, out, outputs.planes.matrix(p));
          write_outputs(written, to, first, last, first, outputs.planes);
        }
      });
      return;
    }
    const typename Operands::Inputs inputs(at_once, in);
    const HeldPlanes outputs(at_once, out);
    for (int64_t first = 0; first < from.count; first += at_once) {
      const int64_t count = std::min(at_once, from.count - first);
      at::parallel_for(0, count, kTilesAThread,
                       [&](int64_t begin, int64_t end) { inputs.read(read, first + begin, first + end, first); });
      each_strip(out, [&](int p, int64_t column, int64_t columns) {
        inputs.multiply(p, count, weights, column, columns, outputs.planes.matrix(p).from_column(column));
      });
      at::parallel_for(0, count, kTilesAThread, [&](int64_t begin, int64_t end) {
        write_outputs(written, to, first + begin, first + end, first, outputs.planes);
      });
    }
  });
  return result;
}

template <class Operands>
at::Tensor weight_gradient(const at::Tensor& gradient, const at::Tensor& images, const NormRelu& norm) {
  const int64_t out = gradient.size(1), in = images.size(1);
  const Grid from(images), to(gradient);
  const int64_t at_once = tiles_at_once(from, in, out, kSharedCache);
  const typename Operands::Columns inputs(at_once, in), slopes(at_once, out);
  const HeldPlanes sums(out, in);
  if (from.count == 0) sums.storage.zero_();
  with_pixels(images, [&](const auto* x) {
    using Pixel = std::remove_cv_t<std::remove_pointer_t<decltype(x)>>;
    const Images<Pixel> read = images_of(x, from, norm), slopes_read{gradient.const_data_ptr<Pixel>(), to};
    for (int64_t first = 0; first < from.count; first += at_once) {
      const int64_t count = std::min(at_once, from.count - first);
      at::parallel_for(0, count, kTilesAThread, [&](int64_t begin, int64_t end) {
        read_inputs(read, first + begin, first + end, first, inputs.planes);
        read_gradients(slopes_read, first + begin, first + end, first, slopes.planes);
      });
      inputs.settle(count);
      slopes.settle(count);
      each_strip(in, [&](int p, int64_t column, int64_t columns) {
        slopes.multiply(p, count, inputs, column, columns, sums.planes.matrix(p).from_column(column), first > 0);
      });
    }
  });
  at::Tensor result =
      at::empty({out, in, 3, 3}, at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  auto* written = result.data_ptr<float>();
  at::parallel_for(0, out, kWeightsAThread,
                   [&](int64_t begin, int64_t end) { write_weight_gradients(written, begin, end, in, sums.planes); });
  return result;
}

}  // namespace

template <class Operands>
at::Tensor forward(const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm) {
  return convolve<Operands>(channels_last(images), channels_last(weight), false, norm);
}

template <class Operands>
at::Tensor backward_images(const at::Tensor& gradient, const at::Tensor& weight) {
  return convolve<Operands>(channels_last(gradient), channels_last(weight), true, {});
}

template <class Operands>
at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images, const NormRelu& norm) {
  return weight_gradient<Operands>(channels_last(gradient), channels_last(images), norm);
}

#define EB_OPERANDS(Operands)                                                                   \
  template at::Tensor forward<Operands>(const at::Tensor&, const at::Tensor&, const NormRelu&); \
  template at::Tensor backward_images<Operands>(const at::Tensor&, const at::Tensor&);          \
  template at::Tensor backward_weight<Operands>(const at::Tensor&, const at::Tensor&, const NormRelu&);
EB_OPERANDS(InFloats)
EB_OPERANDS(InIntegers)
#undef EB_OPERANDS

}  // namespace earlybird::winograd
