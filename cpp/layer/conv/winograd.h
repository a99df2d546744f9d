#pragma once

#include <ATen/core/Tensor.h>

#include "layer/conv/norm_relu.h"

namespace earlybird::winograd {

/// 3x3 convolutions with stride 1 and padding 1 on the CPU by Winograd's F(4x4, 3x3): 36 products instead of 144. The
/// points are 0, 1, -1, 1/2, -2 and infinity (Barabasz et al., "Error analysis and improving the accuracy of Winograd
/// convolution for deep neural networks", 2018), which leave the error of a VGG at about twice that of a direct float32
/// convolution.
///
/// Images are (N, C, H, W) in channels_last memory, with at least eight channels in and out, float32 or bfloat16; with
/// bfloat16 the weights are rounded to bfloat16 too, and all sums are kept in float32. Weights and their gradients are
/// float32 (out, in, 3, 3). The slow twin of each function is at::convolution or at::convolution_backward.
///
/// Operands of the products are InFloats, or InIntegers for bfloat16 (winograd_operands.h): 13 bits with a scale for
/// each row and column, which leave a layer's error at 1.5 times that of a direct bfloat16 convolution
/// (scripts/bench/winograd_error.py).
struct InFloats;
struct InIntegers;

/// (N, in, H, W) -> (N, out, H, W).
template <class Operands>
at::Tensor forward(const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm = {});

/// Gradient of the images as they are multiplied, of the dtype of `gradient` (N, out, H, W).
template <class Operands>
at::Tensor backward_images(const at::Tensor& gradient, const at::Tensor& weight);

/// Gradient of the weights, channels_last.
template <class Operands>
at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images, const NormRelu& norm = {});

}  // namespace earlybird::winograd
