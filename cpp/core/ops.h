#pragma once

#include <ATen/core/Tensor.h>

#include "layer/fused_norm.h"
#include "quant/block_float.h"
#include "optim/sgd.h"

namespace earlybird {

/// Random crop and flip of the next `size` resident images, one Philox draw an image.
/// images: uint8 (N, H, W, 3); order: int64, which images follow each other; place: int64 (3), on the device, what
/// data/augment.h names. Returns uint8 (size, H, W, 3). `padding` zero pixels surround an image before the crop.
at::Tensor crop_flip(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place, int64_t size,
                     int64_t padding, bool flip);

/// Pixels to network input by table: uint8 (B, H, W, 3) and float32 (3, 256) -> float32 (B, 3, H, W), channels_last.
at::Tensor pixels_to_input(const at::Tensor& pixels, const at::Tensor& table);

/// Both at once: float32 or bfloat16 (size, 3, H, W), channels_last.
at::Tensor crop_flip_to_input(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place,
                              const at::Tensor& table, int64_t size, int64_t padding, bool flip, bool bf16);

/// The labels (int64) of the same images; then moves `place` behind them.
at::Tensor next_labels(const at::Tensor& labels, const at::Tensor& order, at::Tensor& place, int64_t size);

/// Gradient (B, K) of the mean cross-entropy of float32 logits (B, K) for labels int64 (B); adds the batch to the
/// float64 `sums` of train/meter.h.
at::Tensor cross_entropy_step(const at::Tensor& logits, const at::Tensor& labels, at::Tensor& sums);

/// Packed masks of a network at several thresholds (prune/mask.h). magnitude: int32 (N), bits of |gamma|; pool: int32
/// sorted, of which `positions` are the thresholds; kept_above: int32 (N), which keep a channel whatever the threshold,
/// or undefined. Returns uint8: for each position 4 bytes of threshold (float32), then ceil(N / 8) bytes, channel 0 in
/// the most significant bit.
at::Tensor mask_bits(const at::Tensor& magnitude, const at::Tensor& pool, at::IntArrayRef positions,
                     const at::Tensor& kept_above);

/// The kernel of block_quantize and block_quantize_ (quant/block_float.h), which check what they are given: `out` has
/// the strides of `values` and may be `values`. The word length is not kFull.
void block_quantize_out(const at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                        const at::Tensor& faults, at::Tensor& out);

/// The kernel of sgd (train/sgd.h): gradients have the strides of their parameters, which are dense;
/// momentum is empty where its factor is 0.
void sgd_step(const SgdStep& step, const NumberFormats& formats);

/// The kernels of fused_norm.h.
fused_norm::Folded norm_fold_batch(const at::Tensor& images, const fused_norm::Layer& layer);
fused_norm::Folded norm_fold_running(const fused_norm::Layer& layer);
at::Tensor norm_apply(const at::Tensor& images, const fused_norm::Folded& folded, const at::Tensor& shortcut,
                      bool relu);
fused_norm::Gradients norm_backward(const fused_norm::Context& context, const at::Tensor& gradient,
                                    const at::Tensor& beside);

/// The kernels of model/channel_gather.h: some channels of images, and the way back, where the others are zero, plus
/// `beside` where it is defined. float32 or bfloat16, channels_last.
at::Tensor take_channels(const at::Tensor& images, const at::Tensor& channels);
at::Tensor put_channels(const at::Tensor& gradient, const at::Tensor& channels, int64_t width,
                        const at::Tensor& beside);

}  // namespace earlybird
