#include "layer/fused_norm_blocks.h"

#include <cstring>
#include <type_traits>

#include "core/every_cpu.h"

namespace earlybird::fused_norm {
namespace {

// Each kernel computes a few neighbouring channels at once.
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

/// Calls `work` for all channels with a null pointer of a vector type, whose size is the number of channels, and the
/// first channel.
template <class Work>
EB_INLINE void each_channel(int64_t width, const Work& work) {
  int64_t k = 0;
  for (; k + 8 <= width; k += 8) work(static_cast<Wide*>(nullptr), k);
  for (; k + 4 <= width; k += 4) work(static_cast<Narrow*>(nullptr), k);
  for (; k < width; ++k) work(static_cast<float*>(nullptr), k);
}

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

}  // namespace

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

/// ReLU keeps NaN, like LibTorch.
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

}  // namespace earlybird::fused_norm
