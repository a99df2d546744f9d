#pragma once

#include <ATen/core/Tensor.h>

namespace earlybird::fused_norm {

/// BatchNorm, with the shortcut and ReLU around it: the statistics in one pass over the images, the result in a second,
/// the gradients in two. LibTorch's separate operators make nine. Kernels for the CPU are in fused_norm.cpp, for CUDA
/// in cuda/norm_*.cuh; on CUDA each pass is one launch, which also makes all that belongs to channels.
///
/// Images are (N, C, H, W) in channels_last memory, float32 or bfloat16; everything that belongs to channels is
/// float32 (C). Sums are made in a fixed order, so that results do not depend on the number of threads. The slow twin
/// is at::batch_norm, at::add and at::relu. None of this is seen by autograd.

/// A BN layer. `channels`, int64 (C), ascending, where it is defined: which of the layer's the images have.
struct Layer {
  at::Tensor gamma, beta, channels;
  at::Tensor running_mean, running_var, batches_tracked;
  double momentum, eps;
};

/// What the layer comes to for each of the images' channels: image * scale + shift.
struct Folded {
  at::Tensor mean, inverse_std, scale, shift;
};

/// Training: by the statistics of the images, which also go into the running ones, as PyTorch does it.
Folded fold_batch(const at::Tensor& images, const Layer& layer);

/// Evaluation: by the running statistics. Of the result only scale and shift are defined.
Folded fold_running(const Layer& layer);

/// images * scale + shift, plus `shortcut` (N, C, H, W) where it is defined, then ReLU where asked.
at::Tensor apply(const at::Tensor& images, const Folded& folded, const at::Tensor& shortcut, bool relu);

struct Gradients {
  at::Tensor images, gamma, beta;
  at::Tensor shortcut;  // undefined unless asked for
};

/// Gradients of the whole in training mode. `output` is what apply() gave, needed where there was a shortcut and ReLU.
struct Context {
  at::Tensor images;
  Folded folded;
  at::Tensor output;
  bool relu = false, shortcut = false;
};
/// `beside`, where defined, is another gradient of the images: it is added to theirs.
Gradients backward(const Context& context, const at::Tensor& gradient, const at::Tensor& beside);

}  // namespace earlybird::fused_norm
