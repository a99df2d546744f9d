#include "layer/fused_norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "core/ops.h"
#include "layer/fused_norm_blocks.h"

namespace earlybird::fused_norm {
namespace {

/// Number of pixels that are summed in float32 before the sum is added to the float64 one.
constexpr int64_t kFloatSums = 32;
/// Number of pixels that a kernel takes at once: fewer if each is long, so that memory is read in few streams.
int64_t block_of(int64_t width) { return std::clamp<int64_t>(256 / width, 4, kFloatSums); }

int64_t pixels_of(const at::Tensor& images) { return images.size(0) * images.size(2) * images.size(3); }

/// Reads blocks of pixels as float32, in place or converted.
template <class T>
class Reader {
 public:
  explicit Reader(const at::Tensor& images) : from_(images.const_data_ptr<T>()), width_(images.size(1)) {
    if (!std::is_same_v<T, float>) buffer_.resize(kFloatSums * width_);
  }

  const float* block(int64_t pixel, int64_t rows) {
    const T* from = from_ + pixel * width_;
    if constexpr (std::is_same_v<T, float>) {
      return from;
    } else {
      for (int64_t k = 0; k < rows * width_; ++k) buffer_[k] = static_cast<float>(from[k]);
      return buffer_.data();
    }
  }

 private:
  const T* from_;
  int64_t width_;
  std::vector<float> buffer_;
};

/// Writes blocks of pixels: call block(), fill it, call put().
template <class T>
class Writer {
 public:
  explicit Writer(at::Tensor& images) : to_(images.mutable_data_ptr<T>()), width_(images.size(1)) {
    if (!std::is_same_v<T, float>) buffer_.resize(kFloatSums * width_);
  }

  float* block(int64_t pixel) {
    if constexpr (std::is_same_v<T, float>)
      return to_ + pixel * width_;
    else
      return buffer_.data();
  }

  void put(int64_t pixel, int64_t rows) {
    if constexpr (!std::is_same_v<T, float>)
      for (int64_t k = 0; k < rows * width_; ++k) to_[pixel * width_ + k] = static_cast<T>(buffer_[k]);
  }

 private:
  T* to_;
  int64_t width_;
  std::vector<float> buffer_;
};

/// Two float64 sums a channel over all pixels. The order does not depend on the number of threads, because the chunk
/// size depends only on the images. `make_work` makes a function that adds pixels [first, first + rows) to two float32
/// sums.
template <class MakeWork>
std::vector<double> sum_pixels(int64_t pixels, int64_t width, const MakeWork& make_work) {
  constexpr int64_t kChunks = 64;
  const int64_t size = std::max<int64_t>(kFloatSums, (pixels + kChunks - 1) / kChunks), block = block_of(width);
  const int64_t chunks = (pixels + size - 1) / size;
  std::vector<double> partial(chunks * 2 * width);
  at::parallel_for(0, chunks, 1, [&](int64_t from, int64_t to) {
    auto work = make_work();
    std::vector<float> sums(2 * width);
    for (int64_t chunk = from; chunk < to; ++chunk) {
      double* out = partial.data() + chunk * 2 * width;
      const int64_t end = std::min(pixels, (chunk + 1) * size);
      for (int64_t first = chunk * size; first < end; first += kFloatSums) {
        std::fill(sums.begin(), sums.end(), 0.0f);
        const int64_t last = std::min(end, first + kFloatSums);
        for (int64_t p = first; p < last; p += block)
          work(p, std::min(block, last - p), sums.data(), sums.data() + width);
        for (int64_t k = 0; k < 2 * width; ++k) out[k] += sums[k];
      }
    }
  });
  for (int64_t chunk = 1; chunk < chunks; ++chunk)
    for (int64_t k = 0; k < 2 * width; ++k) partial[k] += partial[chunk * 2 * width + k];
  partial.resize(2 * width);
  return partial;
}

/// Calls the result of `make_work`, which is made once a thread, with blocks of pixels on all threads.
template <class MakeWork>
void each_block(int64_t pixels, int64_t width, const MakeWork& make_work) {
  const int64_t block = block_of(width), blocks = (pixels + block - 1) / block;
  at::parallel_for(0, blocks, std::max<int64_t>(1, 16384 / (block * width)), [&](int64_t from, int64_t to) {
    auto work = make_work();
    for (int64_t p = from * block; p < std::min(pixels, to * block); p += block) work(p, std::min(block, pixels - p));
  });
}

/// A value near the mean of each channel (the mean of a few pixels), which is subtracted so that squares lose no
/// digits.
template <class T>
std::vector<float> shift_of(const at::Tensor& images) {
  constexpr int64_t kPixels = 32;
  const int64_t width = images.size(1), pixels = pixels_of(images), taken = std::min(kPixels, pixels);
  Reader<T> reader(images);
  std::vector<float> out(width);
  for (int64_t i = 0; i < taken; ++i) {
    const float* row = reader.block(i * pixels / taken, 1);
    for (int64_t k = 0; k < width; ++k) out[k] += row[k];
  }
  for (float& value : out) value /= static_cast<float>(taken);
  return out;
}

struct Moments {
  at::Tensor mean, variance;  // biased
};

template <class T>
Moments moments_of(const at::Tensor& images) {
  const int64_t width = images.size(1), pixels = pixels_of(images);
  const std::vector<float> shift = shift_of<T>(images);
  const auto sums = sum_pixels(pixels, width, [&] {
    return [&, reader = Reader<T>(images)](int64_t p, int64_t rows, float* sum, float* square) mutable {
      add_moments(reader.block(p, rows), rows, width, shift.data(), sum, square);
    };
  });
  Moments out{at::empty({width}), at::empty({width})};
  float *mean = out.mean.mutable_data_ptr<float>(), *variance = out.variance.mutable_data_ptr<float>();
  for (int64_t k = 0; k < width; ++k) {
    const double offset = sums[k] / static_cast<double>(pixels);
    mean[k] = static_cast<float>(shift[k] + offset);
    variance[k] = static_cast<float>(std::max(0.0, sums[width + k] / static_cast<double>(pixels) - offset * offset));
    if (std::isnan(sums[width + k])) variance[k] = mean[k];
  }
  return out;
}

template <class T>
at::Tensor apply_to(const at::Tensor& images, const Folded& folded, const at::Tensor& shortcut, bool relu) {
  const int64_t width = images.size(1);
  at::Tensor out = at::empty_like(images);
  const Surroundings around{folded.scale.const_data_ptr<float>(), folded.shift.const_data_ptr<float>(), nullptr, relu};
  each_block(pixels_of(images), width, [&] {
    return [&, reader = Reader<T>(images), writer = Writer<T>(out),
            added = Reader<T>(shortcut.defined() ? shortcut : out)](int64_t p, int64_t rows) mutable {
      Surroundings here = around;
      if (shortcut.defined()) here.shortcut = added.block(p, rows);
      normalise_block(reader.block(p, rows), rows, width, here, writer.block(p));
      writer.put(p, rows);
    };
  });
  return out;
}

/// Reads the images, the gradient and, if needed, the output of a block.
template <class T>
class BackwardReader {
 public:
  BackwardReader(const Context& context, const at::Tensor& gradient)
      : needs_output_(context.output.defined()),
        images_(context.images),
        gradient_(gradient),
        output_(needs_output_ ? context.output : gradient),
        gate_{context.folded.scale.const_data_ptr<float>(), context.folded.shift.const_data_ptr<float>(), nullptr,
              context.relu} {}

  struct Block {
    const float *x, *gradient;
    Gate gate;
  };
  Block block(int64_t pixel, int64_t rows) {
    if (needs_output_) gate_.output = output_.block(pixel, rows);
    return {images_.block(pixel, rows), gradient_.block(pixel, rows), gate_};
  }

 private:
  bool needs_output_;
  Reader<T> images_, gradient_, output_;
  Gate gate_;
};

template <class T>
Gradients backward_of(const Context& context, const at::Tensor& gradient, const at::Tensor& beside) {
  const int64_t width = context.images.size(1), pixels = pixels_of(context.images);
  const float* mean = context.folded.mean.const_data_ptr<float>();
  const auto sums = sum_pixels(pixels, width, [&] {
    return [&, reader = BackwardReader<T>(context, gradient)](int64_t p, int64_t rows, float* sum,
                                                              float* product) mutable {
      const auto [x, g, gate] = reader.block(p, rows);
      add_gradients(x, g, rows, width, gate, mean, sum, product);
    };
  });

  Gradients out{at::empty_like(context.images), at::empty({width}), at::empty({width}), {}};
  std::vector<float> slope(width), offset(width);
  const float *inverse_std = context.folded.inverse_std.const_data_ptr<float>(),
              *scale = context.folded.scale.const_data_ptr<float>();
  for (int64_t k = 0; k < width; ++k) {
    const double each = 1.0 / static_cast<double>(pixels), spread = inverse_std[k];
    out.beta.mutable_data_ptr<float>()[k] = static_cast<float>(sums[k]);
    out.gamma.mutable_data_ptr<float>()[k] = static_cast<float>(sums[width + k] * spread);
    slope[k] = static_cast<float>(scale[k] * spread * spread * sums[width + k] * each);
    offset[k] = static_cast<float>(scale[k] * sums[k] * each);
  }
  if (context.shortcut) out.shortcut = at::empty_like(context.images);
  const bool adds = beside.defined();
  const Slopes slopes{mean, slope.data(), offset.data()};
  each_block(pixels, width, [&] {
    return [&, reader = BackwardReader<T>(context, gradient), others = Reader<T>(adds ? beside : gradient),
            images = Writer<T>(out.images),
            shortcut = Writer<T>(context.shortcut ? out.shortcut : out.images)](int64_t p, int64_t rows) mutable {
      const auto [x, g, gate] = reader.block(p, rows);
      write_gradients(x, g, rows, width, gate, slopes, adds ? others.block(p, rows) : nullptr, images.block(p),
                      context.shortcut ? shortcut.block(p) : nullptr);
      images.put(p, rows);
      if (context.shortcut) shortcut.put(p, rows);
    };
  });
  return out;
}

at::Tensor taken(const at::Tensor& of_channels, const at::Tensor& channels) {
  return channels.defined() ? of_channels.index_select(0, channels) : of_channels;
}

void track(const Layer& layer, const Moments& batch, int64_t pixels) {
  const at::Tensor unbiased = batch.variance * (static_cast<double>(pixels) / static_cast<double>(pixels - 1));
  const auto put = [&](const at::Tensor& running, const at::Tensor& value) {
    if (layer.channels.defined())
      running.index_copy_(0, layer.channels, running.index_select(0, layer.channels).lerp_(value, layer.momentum));
    else
      running.lerp_(value, layer.momentum);
  };
  put(layer.running_mean, batch.mean);
  put(layer.running_var, unbiased);
  layer.batches_tracked.add_(1);
}

Folded fold(const Layer& layer, const at::Tensor& mean, const at::Tensor& variance) {
  Folded out{mean, (variance + layer.eps).rsqrt(), {}, {}};
  out.scale = taken(layer.gamma, layer.channels) * out.inverse_std;
  out.shift = taken(layer.beta, layer.channels) - mean * out.scale;
  return out;
}

using Optional = std::optional<at::Tensor>;

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> fold_batch_cpu(
    const at::Tensor& images, const at::Tensor& gamma, const at::Tensor& beta, const Optional& channels,
    at::Tensor running_mean, at::Tensor running_var, at::Tensor batches, double momentum, double eps) {
  const Layer layer{gamma, beta, channels.value_or(at::Tensor()), running_mean, running_var, batches, momentum, eps};
  const Moments batch =
      images.scalar_type() == at::kBFloat16 ? moments_of<at::BFloat16>(images) : moments_of<float>(images);
  track(layer, batch, pixels_of(images));
  const Folded out = fold(layer, batch.mean, batch.variance);
  return {out.mean, out.inverse_std, out.scale, out.shift};
}

std::tuple<at::Tensor, at::Tensor> fold_running_cpu(const at::Tensor& gamma, const at::Tensor& beta,
                                                    const Optional& channels, const at::Tensor& running_mean,
                                                    const at::Tensor& running_var, double eps) {
  const at::Tensor index = channels.value_or(at::Tensor());
  const Layer layer{gamma, beta, index, running_mean, running_var, {}, 0, eps};
  const Folded out = fold(layer, taken(running_mean, index), taken(running_var, index));
  return {out.scale, out.shift};
}

at::Tensor apply_cpu(const at::Tensor& images, const at::Tensor& scale, const at::Tensor& shift,
                     const Optional& shortcut, bool relu) {
  const Folded folded{{}, {}, scale, shift};
  const at::Tensor added = shortcut.value_or(at::Tensor());
  return images.scalar_type() == at::kBFloat16 ? apply_to<at::BFloat16>(images, folded, added, relu)
                                               : apply_to<float>(images, folded, added, relu);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> backward_cpu(
    const at::Tensor& images, const at::Tensor& mean, const at::Tensor& inverse_std, const at::Tensor& scale,
    const at::Tensor& shift, const Optional& output, bool relu, bool shortcut, const at::Tensor& gradient,
    const Optional& beside) {
  const Context context{images, {mean, inverse_std, scale, shift}, output.value_or(at::Tensor()), relu, shortcut};
  const at::Tensor added = beside.value_or(at::Tensor());
  const Gradients out = gradient.scalar_type() == at::kBFloat16 ? backward_of<at::BFloat16>(context, gradient, added)
                                                                : backward_of<float>(context, gradient, added);
  return {out.images, out.gamma, out.beta, out.shortcut};
}

}  // namespace

Folded fold_batch(const at::Tensor& images, const Layer& layer) {
  const auto [mean, inverse_std, scale, shift] =
      norm_fold_batch(images, layer.gamma, layer.beta, layer.channels, layer.running_mean, layer.running_var,
                      layer.batches_tracked, layer.momentum, layer.eps);
  return {mean, inverse_std, scale, shift};
}

Folded fold_running(const Layer& layer) {
  const auto [scale, shift] =
      norm_fold_running(layer.gamma, layer.beta, layer.channels, layer.running_mean, layer.running_var, layer.eps);
  return {{}, {}, scale, shift};
}

at::Tensor apply(const at::Tensor& images, const Folded& folded, const at::Tensor& shortcut, bool relu) {
  return norm_apply(images, folded.scale, folded.shift, shortcut, relu);
}

Gradients backward(const Context& context, const at::Tensor& gradient, const at::Tensor& beside) {
  const auto& [mean, inverse_std, scale, shift] = context.folded;
  const auto [images, gamma, beta, shortcut] =
      norm_backward(context.images, mean, inverse_std, scale, shift, context.output, context.relu, context.shortcut,
                    gradient, beside);
  return {images, gamma, beta, shortcut};
}

}  // namespace earlybird::fused_norm

TORCH_LIBRARY_IMPL(earlybird, CPU, m) {
  m.impl("norm_fold_batch", &earlybird::fused_norm::fold_batch_cpu);
  m.impl("norm_fold_running", &earlybird::fused_norm::fold_running_cpu);
  m.impl("norm_apply", &earlybird::fused_norm::apply_cpu);
  m.impl("norm_backward", &earlybird::fused_norm::backward_cpu);
}
