#include "layer/fused_norm_blocks.h"

#include <cstring>
#include <type_traits>

#include "core/lanes.h"

namespace earlybird::fused_norm {
namespace {

using lanes::add_to;
using lanes::each;
using lanes::load;
using lanes::store;

template <class V, class T>
EB_INLINE void pass_gate(V& gradient, const V& x, const V& scale, const V& shift, const Gate<T>& gate, int64_t at) {
  if (!gate.relu) return;
  const V zero{};
  V output;
  if (gate.output)
    load(output, gate.output + at);
  else
    output = x * scale + shift;
  gradient = output <= zero ? zero : gradient;
}

template <class T>
EB_INLINE void moments(const T* x, int64_t rows, int64_t width, const float* shift, float* sums, float* squares) {
  each(width, [=](auto* type, int64_t k, int skip) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    V sum{}, square{}, from, value;
    load(from, shift + k);
    for (int64_t r = 0; r < rows; ++r) {
      load(value, x + r * width + k);
      value -= from;
      sum += value;
      square += value * value;
    }
    add_to(sums + k, sum, skip);
    add_to(squares + k, square, skip);
  });
}

/// ReLU keeps NaN, like LibTorch.
template <class T>
EB_INLINE void normalise(const T* x, int64_t rows, int64_t width, const Surroundings<T>& around, T* out) {
  const auto [scales, shifts, shortcut, relu] = around;
  each(width, [=](auto* type, int64_t k, int) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    const V zero{};
    V scale, shift, value, plus;
    load(scale, scales + k);
    load(shift, shifts + k);
    for (int64_t r = 0; r < rows; ++r) {
      load(value, x + r * width + k);
      value = value * scale + shift;
      if (shortcut) {
        load(plus, shortcut + r * width + k);
        value += plus;
      }
      if (relu) value = value < zero ? zero : value;
      store(out + r * width + k, value);
    }
  });
}

template <class T>
EB_INLINE void gradient_sums(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,
                             const float* mean, float* sums, float* products) {
  each(width, [=](auto* type, int64_t k, int skip) EB_ALWAYS {
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
    add_to(sums + k, sum, skip);
    add_to(products + k, product, skip);
  });
}

/// `To` is float32 where more is added before the gradient is rounded.
template <class T, class To>
EB_INLINE void gradients(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,
                         const Slopes& slopes, const T* beside, To* images, T* shortcut) {
  each(width, [=](auto* type, int64_t k, int) EB_ALWAYS {
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

/// A row of `width` values to or from float32.
template <class From, class To>
EB_INLINE void copy_row(const From* from, int64_t width, To* to) {
  each(width, [=](auto* type, int64_t k, int) EB_ALWAYS {
    std::remove_pointer_t<decltype(type)> value;
    load(value, from + k);
    store(to + k, value);
  });
}

template <class T>
EB_INLINE void spread(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,
                      const Slopes& slopes, const T* beside, const Selection& chosen, float* room, T* images) {
  float *row = room, *wide = room + width;
  for (int64_t r = 0; r < rows; ++r) {
    gradients<T, float>(x + r * width, gradient + r * width, 1, width, gate, slopes, nullptr, row, nullptr);
    if (beside)
      copy_row(beside + r * chosen.width, chosen.width, wide);
    else
      std::memset(wide, 0, chosen.width * sizeof(float));
    for (int64_t k = 0; k < width; ++k) wide[chosen.channels[k]] += row[k];
    copy_row(wide, chosen.width, images + r * chosen.width);
  }
}

}  // namespace

#define EB_NORM_KERNELS(T)                                                                                             \
  EB_EVERY_CPU void add_moments(const T* x, int64_t rows, int64_t width, const float* shift, float* sums,              \
                                float* squares) {                                                                      \
    moments(x, rows, width, shift, sums, squares);                                                                     \
  }                                                                                                                    \
  EB_EVERY_CPU void normalise_block(const T* x, int64_t rows, int64_t width, const Surroundings<T>& around, T* out) {  \
    normalise(x, rows, width, around, out);                                                                            \
  }                                                                                                                    \
  EB_EVERY_CPU void add_gradients(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,     \
                                  const float* mean, float* sums, float* products) {                                   \
    gradient_sums(x, gradient, rows, width, gate, mean, sums, products);                                               \
  }                                                                                                                    \
  EB_EVERY_CPU void write_gradients(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,   \
                                    const Slopes& slopes, const T* beside, T* images, T* shortcut) {                   \
    gradients(x, gradient, rows, width, gate, slopes, beside, images, shortcut);                                       \
  }                                                                                                                    \
  EB_EVERY_CPU void spread_gradients(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,  \
                                     const Slopes& slopes, const T* beside, const Selection& chosen, float* room,      \
                                     T* images) {                                                                      \
    spread(x, gradient, rows, width, gate, slopes, beside, chosen, room, images);                                      \
  }                                                                                                                    \
  void gather_block(const T* wide, int64_t rows, int64_t width, const Selection& chosen, T* x) {                       \
    for (int64_t r = 0; r < rows; ++r)                                                                                 \
      for (int64_t k = 0; k < width; ++k) x[r * width + k] = wide[r * chosen.width + chosen.channels[k]];              \
  }

EB_NORM_KERNELS(float)
EB_NORM_KERNELS(c10::BFloat16)

}  // namespace earlybird::fused_norm
