#pragma once

#include <cstdint>

// The kernels of fused_norm.h, over a block of `rows` pixels of `width` channels, float32.
namespace earlybird::fused_norm {

/// Adds the sums of x - shift and of its squares over the pixels to `sums` and `squares` (width).
void add_moments(const float* x, int64_t rows, int64_t width, const float* shift, float* sums, float* squares);

/// What is around the normalisation of a block.
struct Surroundings {
  const float* scale;
  const float* shift;
  const float* shortcut;  // or null
  bool relu;
};

void normalise_block(const float* x, int64_t rows, int64_t width, const Surroundings& around, float* out);

/// The gradient that passes the ReLU. Where the output was not kept, its sign is that of what it was made of.
struct Gate {
  const float* scale;
  const float* shift;
  const float* output;  // or null
  bool relu;
};

/// Adds the sums of the gradient, and of its product with x - mean, to `sums` and `products` (width).
void add_gradients(const float* x, const float* gradient, int64_t rows, int64_t width, const Gate& gate,
                   const float* mean, float* sums, float* products);

/// What the gradient of the images is made of, besides scale and gradient.
struct Slopes {
  const float* mean;
  const float* slope;
  const float* offset;
};

/// The gradient of the images, plus `beside` where it is no null pointer; and of the shortcut where that is none.
void write_gradients(const float* x, const float* gradient, int64_t rows, int64_t width, const Gate& gate,
                     const Slopes& slopes, const float* beside, float* images, float* shortcut);

}  // namespace earlybird::fused_norm
