#include "layer/norm/fused_norm_blocks.h"

#include <cstring>
#include <type_traits>

#include "core/lanes.h"

namespace earlybird::fused_norm {
namespace {

using lanes::each;
using lanes::load;
using lanes::load_beside;
using lanes::prefetch;
using lanes::store;
using lanes::store_beside;

template <class V>
EB_INLINE void add_to(float* to, const V& value) {
  V sum;
  load(sum, to);
  store(to, sum + value);
}

template <class V, class T>
EB_INLINE void pass_gate(V& gradient, const V& x, const V& scale, const V& shift, const Gate<T>& gate, int64_t at) {
  if (!gate.relu) return;
  V output;
  if (gate.output)
    load(output, gate.output + at);
  else
    output = x * scale + shift;
  gradient = where_positive(output, gradient);
}

/// Prefetches the memory that the next block of a pass over the gradient reads.
template <class T>
EB_INLINE void prefetch_inputs(const T* x, const T* gradient, int64_t count, const Gate<T>& gate) {
  prefetch(x + count, count);
  prefetch(gradient + count, count);
  if (gate.output) prefetch(gate.output + count, count);
}

template <class T>
EB_INLINE void moments(const T* x, int64_t rows, int64_t width, const float* shift, float* sums, float* squares) {
  prefetch(x + rows * width, rows * width);
  each(width, [=](auto* type, int64_t k, int64_t slot) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    V sum{}, square{}, from, value;
    load(from, shift + slot);
    for (int64_t r = 0; r < rows; ++r) {
      load(value, x + r * width + k);
      value = value - from;
      sum = sum + value;
      square = square + value * value;
    }
    add_to(sums + slot, sum);
    add_to(squares + slot, square);
  });
}

template <class T>
EB_INLINE void normalise(const T* x, int64_t rows, int64_t width, const Surroundings<T>& around, T* out) {
  const auto [scales, shifts, shortcut, cut] = around;
  const int64_t all = rows * width;
  prefetch(x + all, all);
  prefetch(out + all, all);
  if (shortcut) prefetch(shortcut + all, all);
  each(width, [=](auto* type, int64_t k, int64_t slot) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    V scale, shift, value, plus;
    load(scale, scales + slot);
    load(shift, shifts + slot);
    for (int64_t r = 0; r < rows; ++r) {
      load(value, x + r * width + k);
      value = value * scale + shift;
      if (shortcut) {
        load(plus, shortcut + r * width + k);
        value = value + plus;
      }
      if (cut) value = lanes::relu(value);
      store(out + r * width + k, value);
    }
  });
}

template <class T>
EB_INLINE void gradient_sums(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,
                             const float* mean, float* sums, float* products) {
  prefetch_inputs(x, gradient, rows * width, gate);
  each(width, [=](auto* type, int64_t k, int64_t slot) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    V sum{}, product{}, scale, shift, middle, value, g;
    load(scale, gate.scale + slot);
    load(shift, gate.shift + slot);
    load(middle, mean + slot);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t at = r * width + k;
      load(value, x + at);
      load(g, gradient + at);
      pass_gate(g, value, scale, shift, gate, at);
      sum = sum + g;
      product = product + g * (value - middle);
    }
    add_to(sums + slot, sum);
    add_to(products + slot, product);
  });
}

/// `To` is float32 where more is added before the gradient is rounded.
template <class T, class To>
EB_INLINE void gradients(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,
                         const Slopes& slopes, const T* beside, To* images, T* shortcut) {
  const int64_t all = rows * width;
  prefetch_inputs(x, gradient, all, gate);
  prefetch(images + all, all);
  if (shortcut) prefetch(shortcut + all, all);
  if (beside) prefetch(beside + all, all);
  each(width, [=](auto* type, int64_t k, int64_t slot) EB_ALWAYS {
    using V = std::remove_pointer_t<decltype(type)>;
    V scale, shift, middle, slope, offset, value, g, plus;
    load(scale, gate.scale + slot);
    load(shift, gate.shift + slot);
    load(middle, slopes.mean + slot);
    load(slope, slopes.slope + slot);
    load(offset, slopes.offset + slot);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t at = r * width + k;
      load(value, x + at);
      load(g, gradient + at);
      pass_gate(g, value, scale, shift, gate, at);
      if (shortcut) store(shortcut + at, g);
      g = scale * g - ((value - middle) * slope + offset);
      if (beside) {
        load(plus, beside + at);
        g = g + plus;
      }
      if constexpr (std::is_same_v<T, To>)
        store(images + at, g);
      else
        store_beside<T>(images + at, g);
    }
  });
}

/// Converts a row of values to float32; narrow() converts it back.
template <class T>
EB_INLINE void widen(const T* from, int64_t width, float* to) {
  each(width, [=](auto* type, int64_t k, int64_t) EB_ALWAYS {
    std::remove_pointer_t<decltype(type)> value;
    load(value, from + k);
    store_beside<T>(to + k, value);
  });
}

template <class T>
EB_INLINE void narrow(const float* from, int64_t width, T* to) {
  each(width, [=](auto* type, int64_t k, int64_t) EB_ALWAYS {
    std::remove_pointer_t<decltype(type)> value;
    load_beside<T>(value, from + k);
    store(to + k, value);
  });
}

template <class T>
EB_INLINE void spread(const T* x, const T* gradient, int64_t rows, int64_t width, int64_t copies, const Gate<T>& gate,
                      const Slopes& slopes, const T* beside, const Selection& chosen, float* room, T* images) {
  float *row = room, *wide = room + width;
  const int64_t channels = width / copies;
  for (int64_t r = 0; r < rows; ++r) {
    gradients<T, float>(x + r * width, gradient + r * width, 1, width, gate, slopes, nullptr, row, nullptr);
    for (int64_t copy = 0; copy < copies; ++copy) {
      const int64_t at = (r * copies + copy) * chosen.width;
      if (beside)
        widen(beside + at, chosen.width, wide);
      else
        std::memset(wide, 0, chosen.width * sizeof(float));
      for (int64_t k = 0; k < channels; ++k) wide[chosen.channels[k]] += row[copy * channels + k];
      narrow(wide, chosen.width, images + at);
    }
  }
}

}  // namespace

#define EB_NORM_KERNELS(T)                                                                                            \
  EB_EVERY_CPU void add_moments(const T* x, int64_t rows, int64_t width, const float* shift, float* sums,             \
                                float* squares) {                                                                     \
    moments(x, rows, width, shift, sums, squares);                                                                    \
  }                                                                                                                   \
  EB_EVERY_CPU void normalise_block(const T* x, int64_t rows, int64_t width, const Surroundings<T>& around, T* out) { \
    normalise(x, rows, width, around, out);                                                                           \
  }                                                                                                                   \
  EB_EVERY_CPU void add_gradients(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,    \
                                  const float* mean, float* sums, float* products) {                                  \
    gradient_sums(x, gradient, rows, width, gate, mean, sums, products);                                              \
  }                                                                                                                   \
  EB_EVERY_CPU void write_gradients(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,  \
                                    const Slopes& slopes, const T* beside, T* images, T* shortcut) {                  \
    gradients(x, gradient, rows, width, gate, slopes, beside, images, shortcut);                                      \
  }                                                                                                                   \
  EB_EVERY_CPU void spread_gradients(const T* x, const T* gradient, int64_t rows, int64_t width, int64_t copies,      \
                                     const Gate<T>& gate, const Slopes& slopes, const T* beside,                      \
                                     const Selection& chosen, float* room, T* images) {                               \
    spread(x, gradient, rows, width, copies, gate, slopes, beside, chosen, room, images);                             \
  }                                                                                                                   \
  void gather_block(const T* wide, int64_t rows, int64_t width, const Selection& chosen, T* x) {                      \
    for (int64_t r = 0; r < rows; ++r)                                                                                \
      for (int64_t k = 0; k < width; ++k) x[r * width + k] = wide[r * chosen.width + chosen.channels[k]];             \
  }

EB_NORM_KERNELS(float)
EB_NORM_KERNELS(c10::BFloat16)

}  // namespace earlybird::fused_norm
