#pragma once

#include <ATen/core/Tensor.h>

namespace earlybird::whole_image {

/// 3x3 convolutions with padding 1 of 2x2 images on the CPU, each as one matrix product: every pixel of the result
/// depends on every pixel of the image, so the layer is linear with a matrix that repeats the weights.
///
/// Images are (N, C, 2, 2), float32 or bfloat16; with bfloat16 the weights are rounded to bfloat16 too, and all sums
/// are kept in float32. Weights and their gradients are float32 (out, in, 3, 3). The slow twin of each function is
/// at::convolution or at::convolution_backward.

at::Tensor forward(const at::Tensor& images, const at::Tensor& weight);

/// Gradient of the images, of the dtype of `gradient` (N, out, 2, 2).
at::Tensor backward_images(const at::Tensor& gradient, const at::Tensor& weight);

/// Gradient of the weights, channels_last.
at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images);

}  // namespace earlybird::whole_image
