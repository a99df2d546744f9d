#pragma once

#include <ATen/core/Tensor.h>

namespace earlybird::fused_norm {

/// BatchNorm, with the shortcut and ReLU around it, on the CPU: the statistics in one pass over the images,
/// the result in a second, the gradients in two. LibTorch's separate operators make nine.
///
/// Images are (N, C, H, W) in channels_last memory, float32 or bfloat16; everything that belongs to channels is
/// float32 (C). Sums are made in a fixed order, so that results do not depend on the number of threads. The slow twin
/// is at::batch_norm, at::add and at::relu.

struct Moments {
  at::Tensor mean, variance;  // biased
};

Moments moments(const at::Tensor& images);

/// images * scale + shift, plus `shortcut` (N, C, H, W) where it is defined, then ReLU where asked.
at::Tensor apply(const at::Tensor& images, const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& shortcut,
                 bool relu);

struct Gradients {
  at::Tensor images, gamma, beta;
  at::Tensor shortcut;  // undefined unless asked for
};

/// Gradients of the whole in training mode. `output` is what apply() gave, needed where there was a shortcut and ReLU.
struct Context {
  at::Tensor images, mean, inverse_std, scale, shift, output;
  bool relu = false, shortcut = false;
};
/// `beside`, where defined, is another gradient of the images: it is added to theirs.
Gradients backward(const Context& context, const at::Tensor& gradient, const at::Tensor& beside);

}  // namespace earlybird::fused_norm
