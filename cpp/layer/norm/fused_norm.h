#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace earlybird::fused_norm {

/// BatchNorm fused with shortcut and ReLU: one pass over the images for the statistics, one for the result, and two for
/// the gradients, where LibTorch's separate operators make nine. The CPU kernels are in
/// fused_norm_{forward,backward}.cpp, the CUDA kernels in cuda/norm_*.cuh; on CUDA each pass is one launch, which also
/// computes the vectors of channels.
///
/// Images are (N, C, H, W) in channels_last memory, float32 or bfloat16; vectors of channels are float32 (C). Sums have
/// a fixed order, so that results do not depend on the number of threads. The slow twin is at::batch_norm, at::add and
/// at::relu. Autograd does not see these functions.

/// A BN layer. `channels`, int64 (C), ascending: the layer's channels that the images have; undefined for all.
struct Layer {
  at::Tensor gamma, beta, channels;
  at::Tensor running_mean, running_var, batches_tracked;
  double momentum, eps;
};

/// The layer as one affine function for each channel of the images: image * scale + shift.
struct Folded {
  at::Tensor mean, inverse_std, scale, shift;
};

/// Training: uses the statistics of the images and updates the running ones, like PyTorch.
Folded fold_batch(const at::Tensor& images, const Layer& layer);

/// Like fold_batch(), for images with all the channels that the layer was made for: the pass that sums the layer's
/// channels also gathers them.
struct Selected {
  at::Tensor images;  // only the layer's channels
  Folded folded;
};
Selected fold_selected(const at::Tensor& images, const Layer& layer);

/// Evaluation: uses the running statistics. Only scale and shift of the result are defined.
Folded fold_running(const Layer& layer);

/// images * scale + shift, plus `shortcut` (N, C, H, W) if defined, then ReLU if asked.
at::Tensor apply(const at::Tensor& images, const Folded& folded, const at::Tensor& shortcut, bool relu);

struct Gradients {
  at::Tensor images, gamma, beta;
  at::Tensor shortcut;  // undefined unless asked for
};

/// The values of a forward pass in training mode. `output` is the result of apply(), needed for a shortcut with ReLU.
struct Context {
  at::Tensor images;
  Folded folded;
  at::Tensor output;
  bool relu = false, shortcut = false;
};
/// `beside`, if defined, is another gradient of the images, which is added.
Gradients backward(const Context& context, const at::Tensor& gradient, const at::Tensor& beside);

/// Gradients after fold_selected(), whose result `context` has: of the images that it was given, with `width` channels,
/// and of all gammas and betas. Channels that were not selected get zero, in the images plus `beside`.
Gradients backward_selected(const Context& context, const at::Tensor& gradient, const at::Tensor& channels,
                            int64_t width, const at::Tensor& beside);

/// Writes pixels [first, first + count) of a gradient, on the CPU. Is called on several threads, for the pixels of a
/// chunk (fused_norm_rows.h) on one of them, in their order and without gaps.
using WriteGradient = std::function<void(int64_t first, int64_t count)>;

/// True where there are enough pieces for all threads.
bool can_write_in_pieces(const at::Tensor& images);

/// Like backward(), and with `channels` like backward_selected(), with the same bits, for a gradient that `write`
/// writes piece by piece: each is read while it lies in the cache. On the CPU, and not over ranks.
Gradients backward_writing(const Context& context, const at::Tensor& gradient, const WriteGradient& write,
                           const at::Tensor& channels, int64_t width, const at::Tensor& beside);

}  // namespace earlybird::fused_norm
