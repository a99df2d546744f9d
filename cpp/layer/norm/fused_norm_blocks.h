#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

// The kernels of fused_norm.h, over a block of `rows` of `width` values of float32 or bfloat16: the channels of a
// pixel, or of a few pixels one after the other. All arithmetic is float32, and so are vectors of a value each, which
// lie in the slots of core/lanes.h.
namespace earlybird::fused_norm {

/// The affine function of a block, with shortcut and ReLU.
template <class T>
struct Surroundings {
  const float* scale;
  const float* shift;
  const T* shortcut;  // or null
  bool relu;
};

/// Decides which gradients pass the ReLU. If the output was not kept, its sign is computed again.
template <class T>
struct Gate {
  const float* scale;
  const float* shift;
  const T* output;  // or null
  bool relu;
};

/// The terms of the gradient of the images other than scale and gradient.
struct Slopes {
  const float* mean;
  const float* slope;
  const float* offset;
};

/// Some channels of wider images: pixels of `width` channels of which `channels`, ascending, are taken.
struct Selection {
  int64_t width;
  const int64_t* channels;
};

#define EB_NORM_KERNELS(T)                                                                                             \
  /** Adds the sums of x - shift and of its squares over the pixels to `sums` and `squares`. */                        \
  void add_moments(const T* x, int64_t rows, int64_t width, const float* shift, float* sums, float* squares);          \
  /** Writes the chosen `width` channels of the pixels at `wide` to `x`. */                                            \
  void gather_block(const T* wide, int64_t rows, int64_t width, const Selection& chosen, T* x);                        \
  void normalise_block(const T* x, int64_t rows, int64_t width, const Surroundings<T>& around, T* out);                \
  /** Adds the sums of the gradient, and of its product with x - mean, to `sums` and `products`. */                    \
  void add_gradients(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,                  \
                     const float* mean, float* sums, float* products);                                                 \
  /** Writes the gradient of the images, plus `beside` unless it is null, and that of the shortcut unless it is null.  \
   */                                                                                                                  \
  void write_gradients(const T* x, const T* gradient, int64_t rows, int64_t width, const Gate<T>& gate,                \
                       const Slopes& slopes, const T* beside, T* images, T* shortcut);                                 \
  /** The same for the images that `chosen` channels were taken from: `beside` and `images` are wide, and the other */ \
  /** channels get only `beside`. A row is of `copies` pixels. `room`: float32 (width + chosen.width). */              \
  void spread_gradients(const T* x, const T* gradient, int64_t rows, int64_t width, int64_t copies,                    \
                        const Gate<T>& gate, const Slopes& slopes, const T* beside, const Selection& chosen,           \
                        float* room, T* images);

EB_NORM_KERNELS(float)
EB_NORM_KERNELS(c10::BFloat16)
#undef EB_NORM_KERNELS

}  // namespace earlybird::fused_norm
