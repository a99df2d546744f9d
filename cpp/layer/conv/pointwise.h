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
/// defined, with the bits of at::add but for those of NaN.
at::Tensor forward(const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm = {},
                   const at::Tensor& shortcut = {});

/// Gradient of the images as they are multiplied, of the dtype of `gradient` (N, out, H, W).
at::Tensor backward_images(const at::Tensor& gradient, const at::Tensor& weight);

at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images, const NormRelu& norm = {});

/// Both gradients in pieces, with the same bits: memory for that of the images, what writes its pixels
/// [first, first + count), and what returns that of the weights once all are written. The pieces are those in which
/// fused_norm::backward_writing() asks for them: rows of a chunk one after the other.
struct Pieces {
  at::Tensor images;
  std::function<void(int64_t first, int64_t count)> write;
  std::function<at::Tensor()> weight;
};
Pieces gradients_in_pieces(const at::Tensor& gradient, const at::Tensor& images, const at::Tensor& weight,
                           const NormRelu& norm);

}  // namespace earlybird::pointwise
