#pragma once

#include <cstdint>

// The kernels of fused_norm.h, over a block of `rows` pixels of `width` channels, float32.
namespace earlybird::fused_norm {

/// Adds the sums of x - shift and of its squares over the pixels to `sums` and `squares` (width).
void add_moments(const float* x, int64_t rows, int64_t width, const float* shift, float* sums, float* squares);

/// The affine function of a block, with shortcut and ReLU.
struct Surroundings {
  const float* scale;
  const float* shift;
  const float* shortcut;  // or null
  bool relu;
};

void normalise_block(const float* x, int64_t rows, int64_t width, const Surroundings& around, float* out);

/// Decides which gradients pass the ReLU. If the output was not kept, its sign is computed again.
struct Gate {
  const float* scale;
  const float* shift;
  const float* output;  // or null
  bool relu;
};

/// Adds the sums of the gradient, and of its product with x - mean, to `sums` and `products` (width).
void add_gradients(const float* x, const float* gradient, int64_t rows, int64_t width, const Gate& gate,
                   const float* mean, float* sums, float* products);

/// The terms of the gradient of the images other than scale and gradient.
struct Slopes {
  const float* mean;
  const float* slope;
  const float* offset;
};

/// Writes the gradient of the images, plus `beside` unless it is null, and that of the shortcut unless it is null.
void write_gradients(const float* x, const float* gradient, int64_t rows, int64_t width, const Gate& gate,
                     const Slopes& slopes, const float* beside, float* images, float* shortcut);

}  // namespace earlybird::fused_norm
