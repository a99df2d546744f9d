#pragma once

#include <ATen/core/Tensor.h>

#include <tuple>

// One function for each operator of ours, in tensors and numbers only: calls go through PyTorch's dispatcher to the CPU
// or the CUDA kernel. An undefined tensor stands for an absent optional one.
namespace earlybird {

/// Random crop and flip of the next `size` resident images, one Philox draw an image.
/// images: uint8 (N, H, W, 3); order: int64, the sequence of image indexes; place: int64 (3) on the device, see Place
/// in data/resident/augment.h. Returns uint8 (size, H, W, 3). `padding` zero pixels surround an image before the crop.
at::Tensor crop_flip(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place, int64_t size,
                     int64_t padding, bool flip);

/// Pixels to network input by table: uint8 (B, H, W, 3) and float32 (3, 256) -> float32 (B, 3, H, W), channels_last.
at::Tensor pixels_to_input(const at::Tensor& pixels, const at::Tensor& table);

/// Both at once: float32 or bfloat16 (size, 3, H, W), channels_last.
at::Tensor crop_flip_to_input(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place,
                              const at::Tensor& table, int64_t size, int64_t padding, bool flip, bool bf16);

/// The labels (int64) of the same images; then advances `place` past them.
at::Tensor next_labels(const at::Tensor& labels, const at::Tensor& order, at::Tensor& place, int64_t size);

/// Gradient (B, K) of the mean cross-entropy of float32 logits (B, K) for labels int64 (B); adds the batch to the
/// float64 `sums` of train/pass_sums.h. Means over the batch are added times `share`: the part of the images of a step
/// that are in this batch.
at::Tensor cross_entropy_step(const at::Tensor& logits, const at::Tensor& labels, at::Tensor& sums, double share = 1);

/// Packed masks of a network at several thresholds (prune/mask.h). magnitude: int32 (N), bits of |gamma|; pool: int32
/// sorted, in which `positions` index the thresholds; kept_above: int32 (N), a channel above it is kept whatever the
/// threshold, or undefined. Returns uint8: for each position 4 bytes of threshold (float32), then ceil(N / 8) bytes,
/// channel 0 in the most significant bit.
at::Tensor mask_bits(const at::Tensor& magnitude, const at::Tensor& pool, at::IntArrayRef positions,
                     const at::Tensor& kept_above);

/// The kernel of block_quantize (quant/block_float.h), which checks its arguments and names them. `out` has the strides
/// of `values` and may be `values`.
void block_quantize_out(const at::Tensor& values, int64_t bits, int64_t dim, bool nearest, bool swalp, int64_t seed,
                        int64_t lane, const at::Tensor& position, const at::Tensor& faults, at::Tensor& out);

/// The kernel of mx_round (quant/mx.h), which checks its arguments: dense values as rows of `length` entries, `inner`
/// apart. `format` is an index of kMxFormats, `scale` an MxScale, `rounding` an MxRounding. `out` has the strides of
/// `values`, and is not `values`.
void mx_round_out(const at::Tensor& values, int64_t format, int64_t scale, int64_t rounding, int64_t length,
                  int64_t inner, int64_t seed, int64_t lane, const at::Tensor& position, const at::Tensor& faults,
                  at::Tensor& out);

/// The kernel of sgd (optim/sgd.h). Gradients have the strides of their parameters, which are dense; momentum is empty
/// where its factor is 0. `bits`: word lengths of weight, gradient and momentum.
void sgd_step(at::TensorList parameters, at::TensorList gradients, at::TensorList momentum, at::IntArrayRef is_gamma,
              const at::Tensor& lr, double momentum_factor, double weight_decay, double l1, at::IntArrayRef bits,
              bool nearest, bool swalp, int64_t seed, const at::Tensor& position, const at::Tensor& faults);

/// The kernels of layer/norm/fused_norm.h. Returns mean, inverse_std, scale, shift.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> norm_fold_batch(
    const at::Tensor& images, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& channels,
    const at::Tensor& running_mean, const at::Tensor& running_var, const at::Tensor& batches_tracked, double momentum,
    double eps);

/// The same for some channels of the images; returns those channels first.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> norm_fold_selected(
    const at::Tensor& images, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& channels,
    const at::Tensor& running_mean, const at::Tensor& running_var, const at::Tensor& batches_tracked, double momentum,
    double eps);

/// Returns scale and shift.
std::tuple<at::Tensor, at::Tensor> norm_fold_running(const at::Tensor& gamma, const at::Tensor& beta,
                                                     const at::Tensor& channels, const at::Tensor& running_mean,
                                                     const at::Tensor& running_var, double eps);

at::Tensor norm_apply(const at::Tensor& images, const at::Tensor& scale, const at::Tensor& shift,
                      const at::Tensor& shortcut, bool relu);

/// Returns the gradients of images, gamma, beta and shortcut.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> norm_backward(
    const at::Tensor& images, const at::Tensor& mean, const at::Tensor& inverse_std, const at::Tensor& scale,
    const at::Tensor& shift, const at::Tensor& output, bool relu, bool shortcut, const at::Tensor& gradient,
    const at::Tensor& beside);

/// Returns the gradients of images of `width` channels, gamma and beta.
std::tuple<at::Tensor, at::Tensor, at::Tensor> norm_backward_selected(const at::Tensor& images, const at::Tensor& mean,
                                                                      const at::Tensor& inverse_std,
                                                                      const at::Tensor& scale, const at::Tensor& shift,
                                                                      bool relu, const at::Tensor& gradient,
                                                                      const at::Tensor& channels, int64_t width,
                                                                      const at::Tensor& beside);

/// The same in two parts, between which ranks add the sums that the first one returns: float64 (2 * C + 1), two of each
/// channel and the number of pixels. A rank may have no pixels.
at::Tensor norm_moments(const at::Tensor& images);
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> norm_fold_moments(
    const at::Tensor& moments, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& channels,
    const at::Tensor& running_mean, const at::Tensor& running_var, const at::Tensor& batches_tracked, double momentum,
    double eps);
/// Returns the gradients of gamma and beta by these images, and the sums.
std::tuple<at::Tensor, at::Tensor, at::Tensor> norm_gradient_sums(const at::Tensor& images, const at::Tensor& mean,
                                                                  const at::Tensor& inverse_std,
                                                                  const at::Tensor& scale, const at::Tensor& shift,
                                                                  const at::Tensor& output, bool relu,
                                                                  const at::Tensor& gradient);
/// Returns the gradients of images and shortcut.
std::tuple<at::Tensor, at::Tensor> norm_gradients(const at::Tensor& images, const at::Tensor& mean,
                                                  const at::Tensor& inverse_std, const at::Tensor& scale,
                                                  const at::Tensor& shift, const at::Tensor& output, bool relu,
                                                  bool shortcut, const at::Tensor& gradient, const at::Tensor& beside,
                                                  const at::Tensor& sums);

/// The kernels of layer/channel_gather.h. take_channels returns the given channels of images; put_channels spreads
/// their gradient over `width` channels, the others zero, plus `beside` where it is defined. float32 or bfloat16,
/// channels_last.
at::Tensor take_channels(const at::Tensor& images, const at::Tensor& channels);
at::Tensor put_channels(const at::Tensor& gradient, const at::Tensor& channels, int64_t width,
                        const at::Tensor& beside);

}  // namespace earlybird
