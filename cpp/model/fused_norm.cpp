#include "model/fused_norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/every_cpu.h"

namespace earlybird::fused_norm {
namespace {

/// Pixels whose sums are kept in float32 before they go into the float64 ones.
constexpr int64_t kFloatSums = 32;
/// Pixels that a kernel takes at once: fewer where each is long, so that memory is read in few streams.
int64_t block_of(int64_t width) { return std::clamp<int64_t>(2048 / width, 4, kFloatSums); }

/// The channels of a block of pixels as float32: in place, or copied where they are selected or of another type.
template <class T>
class Reader {
 public:
  Reader(const at::Tensor& images, const int64_t* channels, int64_t width)
      : from_(images.const_data_ptr<T>()), all_(images.size(1)), channels_(channels), width_(width) {
    if (channels_ || !std::is_same_v<T, float>) buffer_.resize(kFloatSums * width);
  }

  const float* block(int64_t pixel, int64_t rows) {
    const T* from = from_ + pixel * all_;
    if constexpr (std::is_same_v<T, float>)
      if (!channels_) return from;
    float* to = buffer_.data();
    if (!channels_)
      for (int64_t k = 0; k < rows * width_; ++k) to[k] = static_cast<float>(from[k]);
    else
      for (int64_t r = 0; r < rows; ++r, from += all_, to += width_)
        for (int64_t k = 0; k < width_; ++k) to[k] = static_cast<float>(from[channels_[k]]);
    return buffer_.data();
  }

 private:
  const T* from_;
  int64_t all_;
  const int64_t* channels_;
  int64_t width_;
  std::vector<float> buffer_;
};

/// The way back: a block is asked for, filled, and put. Channels that are not selected become zero.
template <class T>
class Writer {
 public:
  Writer(at::Tensor& images, const int64_t* channels, int64_t width)
      : to_(images.mutable_data_ptr<T>()), all_(images.size(1)), channels_(channels), width_(width) {
    if (channels_ || !std::is_same_v<T, float>) buffer_.resize(kFloatSums * width);
  }

  float* block(int64_t pixel) {
    if constexpr (std::is_same_v<T, float>)
      if (!channels_) return to_ + pixel * all_;
    return buffer_.data();
  }

  void put(int64_t pixel, int64_t rows) {
    if (buffer_.empty()) return;
    const float* from = buffer_.data();
    T* to = to_ + pixel * all_;
    if (!channels_) {
      for (int64_t k = 0; k < rows * width_; ++k) to[k] = static_cast<T>(from[k]);
      return;
    }
    std::fill(to, to + rows * all_, static_cast<T>(0));
    for (int64_t r = 0; r < rows; ++r, to += all_, from += width_)
      for (int64_t k = 0; k < width_; ++k) to[channels_[k]] = static_cast<T>(from[k]);
  }

 private:
  T* to_;
  int64_t all_;
  const int64_t* channels_;
  int64_t width_;
  std::vector<float> buffer_;
};

// --- The kernels, over `rows` pixels of `width` channels. Each is written for a few neighbouring channels at once. ---

using Wide = float __attribute__((vector_size(32)));
using Narrow = float __attribute__((vector_size(16)));

template <class V>
EB_INLINE void load(V& out, const float* from) {
  std::memcpy(&out, from, sizeof(V));
}

template <class V>
EB_INLINE void store(float* to, const V& value) {
  std::memcpy(to, &value, sizeof(V));
}

template <class V>
EB_INLINE void add_to(float* to, const V& value) {
  V sum;
  load(sum, to);
  store(to, sum + value);
}

/// Calls `work` with a pointer of a vector type, which says how many at once, and a channel, until all are done.
template <class Work>
EB_INLINE void each_channel(int64_t width, const Work& work) {
  int64_t k = 0;
  for (; k + 8 <= width; k += 8) work(static_cast<Wide*>(nullptr), k);
  for (; k + 4 <= width; k += 4) work(static_cast<Narrow*>(nullptr), k);
  for (; k < width; ++k) work(static_cast<float*>(nullptr), k);
}

EB_EVERY_CPU void add_moments(const float* x, int64_t rows, int64_t width, const float* shift, float* sums,
                              float* squares) {
  each_channel(width, [&](auto* type, int64_t k) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    V sum{}, square{}, from, value;
    load(from, shift + k);
    for (int64_t r = 0; r < rows; ++r) {
      load(value, x + r * width + k);
      value -= from;
      sum += value;
      square += value * value;
    }
    add_to(sums + k, sum);
    add_to(squares + k, square);
  });
}

/// What is around the normalisation of a block.
struct Surroundings {
  const float* scale;
  const float* shift;
  const float* shortcut;  // or null
  bool relu;
};

/// ReLU leaves what is no number as it is, as LibTorch does.
EB_EVERY_CPU void normalise_block(const float* x, int64_t rows, int64_t width, const Surroundings& around, float* out) {
  each_channel(width, [&](auto* type, int64_t k) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    const V zero{};
    V scale, shift, value, plus;
    load(scale, around.scale + k);
    load(shift, around.shift + k);
    for (int64_t r = 0; r < rows; ++r) {
      load(value, x + r * width + k);
      value = value * scale + shift;
      if (around.shortcut) {
        load(plus, around.shortcut + r * width + k);
        value += plus;
      }
      if (around.relu) value = value < zero ? zero : value;
      store(out + r * width + k, value);
    }
  });
}

/// The gradient that passes the ReLU. Where the output was not kept, its sign is that of what it was made of.
struct Gate {
  const float* scale;
  const float* shift;
  const float* output;  // or null
  bool relu;
};

template <class V>
EB_INLINE void pass_gate(V& gradient, const V& x, const V& scale, const V& shift, const Gate& gate, int64_t at) {
  if (!gate.relu) return;
  const V zero{};
  V output;
  if (gate.output)
    load(output, gate.output + at);
  else
    output = x * scale + shift;
  gradient = output <= zero ? zero : gradient;
}

EB_EVERY_CPU void add_gradients(const float* x, const float* gradient, int64_t rows, int64_t width, const Gate& gate,
                                const float* mean, float* sums, float* products) {
  each_channel(width, [&](auto* type, int64_t k) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    V sum{}, product{}, scale, shift, middle, value, g;
    load(scale, gate.scale + k);
    load(shift, gate.shift + k);
    load(middle, mean + k);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t at = r * width + k;
      load(value, x + at);
      load(g, gradient + at);
      pass_gate(g, value, scale, shift, gate, at);
      sum += g;
      product += g * (value - middle);
    }
    add_to(sums + k, sum);
    add_to(products + k, product);
  });
}

/// What the gradient of the images is made of, besides scale and gradient.
struct Slopes {
  const float* mean;
  const float* slope;
  const float* offset;
};

EB_EVERY_CPU void write_gradients(const float* x, const float* gradient, int64_t rows, int64_t width, const Gate& gate,
                                  const Slopes& slopes, const float* beside, float* images, float* shortcut) {
  each_channel(width, [&](auto* type, int64_t k) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    V scale, shift, middle, slope, offset, value, g, plus;
    load(scale, gate.scale + k);
    load(shift, gate.shift + k);
    load(middle, slopes.mean + k);
    load(slope, slopes.slope + k);
    load(offset, slopes.offset + k);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t at = r * width + k;
      load(value, x + at);
      load(g, gradient + at);
      pass_gate(g, value, scale, shift, gate, at);
      if (shortcut) store(shortcut + at, g);
      g = scale * g - ((value - middle) * slope + offset);
      if (beside) {
        load(plus, beside + at);
        g += plus;
      }
      store(images + at, g);
    }
  });
}

// --- Whole images ---

/// Two float64 sums a channel over all pixels, made in the same order whatever the threads: by chunks of a size that
/// depends on the images alone. `work` is called per chunk to make an object that adds pixels [first, first + rows) to
/// two float32 sums.
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

/// Calls `work` with blocks of pixels, on all threads; `make_work` is called once a thread.
template <class MakeWork>
void each_block(int64_t pixels, int64_t width, const MakeWork& make_work) {
  const int64_t block = block_of(width), blocks = (pixels + block - 1) / block;
  at::parallel_for(0, blocks, std::max<int64_t>(1, 16384 / (block * width)), [&](int64_t from, int64_t to) {
    auto work = make_work();
    for (int64_t p = from * block; p < std::min(pixels, to * block); p += block) work(p, std::min(block, pixels - p));
  });
}

const int64_t* listed(const at::Tensor& channels) {
  return channels.defined() ? channels.const_data_ptr<int64_t>() : nullptr;
}

/// A value near the mean of each channel, so that squares of what is left lose no digits: the mean of a few pixels.
template <class T>
std::vector<float> shift_of(const Input& input) {
  constexpr int64_t kPixels = 32;
  const int64_t width = input.width(), pixels = input.pixels(), taken = std::min(kPixels, pixels);
  Reader<T> reader(input.images, listed(input.channels), width);
  std::vector<float> out(width);
  for (int64_t i = 0; i < taken; ++i) {
    const float* row = reader.block(i * pixels / taken, 1);
    for (int64_t k = 0; k < width; ++k) out[k] += row[k];
  }
  for (float& value : out) value /= static_cast<float>(taken);
  return out;
}

template <class T>
Moments moments_of(const Input& input) {
  const int64_t width = input.width(), pixels = input.pixels();
  const std::vector<float> shift = shift_of<T>(input);
  const auto sums = sum_pixels(pixels, width, [&] {
    return [&, reader = Reader<T>(input.images, listed(input.channels), width)](int64_t p, int64_t rows, float* sum,
                                                                                float* square) mutable {
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

at::Tensor empty_like_images(const at::Tensor& images, int64_t channels) {
  return at::empty({images.size(0), channels, images.size(2), images.size(3)}, images.options(),
                   at::MemoryFormat::ChannelsLast);
}

template <class T>
at::Tensor apply_to(const Input& input, const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& shortcut,
                    bool relu) {
  const int64_t width = input.width();
  at::Tensor out = empty_like_images(input.images, width);
  const Surroundings around{scale.const_data_ptr<float>(), shift.const_data_ptr<float>(), nullptr, relu};
  each_block(input.pixels(), width, [&] {
    return [&, reader = Reader<T>(input.images, listed(input.channels), width), writer = Writer<T>(out, nullptr, width),
            added = Reader<T>(shortcut.defined() ? shortcut : out, nullptr, width)](int64_t p, int64_t rows) mutable {
      Surroundings here = around;
      if (shortcut.defined()) here.shortcut = added.block(p, rows);
      normalise_block(reader.block(p, rows), rows, width, here, writer.block(p));
      writer.put(p, rows);
    };
  });
  return out;
}

/// Reads the images, the gradient and, where it is needed, the output of a block.
template <class T>
class BackwardReader {
 public:
  BackwardReader(const Context& context, const at::Tensor& gradient)
      : needs_output_(context.output.defined()),
        images_(context.input.images, listed(context.input.channels), context.input.width()),
        gradient_(gradient, nullptr, context.input.width()),
        output_(needs_output_ ? context.output : gradient, nullptr, context.input.width()),
        gate_{context.scale.const_data_ptr<float>(), context.shift.const_data_ptr<float>(), nullptr, context.relu} {}

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
  const Input& input = context.input;
  const int64_t width = input.width(), pixels = input.pixels();
  const float* mean = context.mean.const_data_ptr<float>();
  const auto sums = sum_pixels(pixels, width, [&] {
    return [&, reader = BackwardReader<T>(context, gradient)](int64_t p, int64_t rows, float* sum,
                                                              float* product) mutable {
      const auto [x, g, gate] = reader.block(p, rows);
      add_gradients(x, g, rows, width, gate, mean, sum, product);
    };
  });

  Gradients out{empty_like_images(input.images, input.images.size(1)), at::empty({width}), at::empty({width}), {}};
  std::vector<float> slope(width), offset(width);
  const float *inverse_std = context.inverse_std.const_data_ptr<float>(),
              *scale = context.scale.const_data_ptr<float>();
  for (int64_t k = 0; k < width; ++k) {
    const double each = 1.0 / static_cast<double>(pixels), spread = inverse_std[k];
    out.beta.mutable_data_ptr<float>()[k] = static_cast<float>(sums[k]);
    out.gamma.mutable_data_ptr<float>()[k] = static_cast<float>(sums[width + k] * spread);
    slope[k] = static_cast<float>(scale[k] * spread * spread * sums[width + k] * each);
    offset[k] = static_cast<float>(scale[k] * sums[k] * each);
  }
  if (context.shortcut) out.shortcut = empty_like_images(input.images, width);
  const bool adds = beside.defined() && !input.channels.defined();
  const Slopes slopes{mean, slope.data(), offset.data()};
  each_block(pixels, width, [&] {
    return
        [&, reader = BackwardReader<T>(context, gradient), others = Reader<T>(adds ? beside : gradient, nullptr, width),
         images = Writer<T>(out.images, listed(input.channels), width),
         shortcut = Writer<T>(context.shortcut ? out.shortcut : out.images, nullptr, width)](int64_t p,
                                                                                             int64_t rows) mutable {
          const auto [x, g, gate] = reader.block(p, rows);
          write_gradients(x, g, rows, width, gate, slopes, adds ? others.block(p, rows) : nullptr, images.block(p),
                          context.shortcut ? shortcut.block(p) : nullptr);
          images.put(p, rows);
          if (context.shortcut) shortcut.put(p, rows);
        };
  });
  if (beside.defined() && !adds) out.images.add_(beside);
  return out;
}

}  // namespace

Moments moments(const Input& input) {
  return input.images.scalar_type() == at::kBFloat16 ? moments_of<at::BFloat16>(input) : moments_of<float>(input);
}

at::Tensor apply(const Input& input, const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& shortcut,
                 bool relu) {
  return input.images.scalar_type() == at::kBFloat16 ? apply_to<at::BFloat16>(input, scale, shift, shortcut, relu)
                                                     : apply_to<float>(input, scale, shift, shortcut, relu);
}

Gradients backward(const Context& context, const at::Tensor& gradient, const at::Tensor& beside) {
  return gradient.scalar_type() == at::kBFloat16 ? backward_of<at::BFloat16>(context, gradient, beside)
                                                 : backward_of<float>(context, gradient, beside);
}

}  // namespace earlybird::fused_norm
