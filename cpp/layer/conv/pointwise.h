#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "layer/conv/norm_relu.h"

namespace earlybird::pointwise {

/// 1x1 convolutions with stride 1 on the CPU, as products of packed matrices (product.h, bf16_product.h): as fast with
/// few and odd numbers of channels as they are small.
///
/// Images are (N, C, H, W), float32 or bfloat16; with bfloat16 the weights are rounded to bfloat16 too, and all sums
/// are kept in float32. Weights and their gradients are float32 (out, in, 1, 1). Bits do not depend on the number of
/// threads. The slow twin of each function is at::convolution or at::convolution_backward.

/// (N, in, H, W) -> (N, out, H, W), channels_last. `shortcut`, such a tensor of the same type, is added where it is
/// defined, with the bits of at::add.
at::Tensor forward(const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm = {},
                   const at::Tensor& shortcut = {});

/// Gradient of the images as they are multiplied, of the dtype of `gradient` (N, out, H, W).
at::Tensor backward_images(const at::Tensor& gradient, const at::Tensor& weight);

/// The same in pieces: memory for it, and what writes pixels [first, first + count).
struct ImagesGradient {
  at::Tensor memory;
  std::function<void(int64_t first, int64_t count)> write;
};
ImagesGradient images_gradient(const at::Tensor& gradient, const at::Tensor& weight);

at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images, const NormRelu& norm = {});

}  // namespace earlybird::pointwise
