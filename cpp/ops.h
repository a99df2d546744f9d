#pragma once

#include <ATen/core/Tensor.h>

#include "model/fused_norm.h"
#include "quant/block_float.h"
#include "train/sgd.h"

namespace earlybird {

/// Random crop and flip of a batch of resident images, one Philox draw an image.
/// images: uint8 (N, H, W, 3); index: int64 (B). Returns uint8 (B, H, W, 3). `padding` zero pixels surround an image
/// before the crop.
at::Tensor crop_flip(const at::Tensor& images, const at::Tensor& index, int64_t seed, int64_t epoch, int64_t padding,
                     bool flip);

/// Pixels to network input by table: uint8 (B, H, W, 3) and float32 (3, 256) -> float32 (B, 3, H, W), channels_last.
at::Tensor pixels_to_input(const at::Tensor& pixels, const at::Tensor& table);

/// The kernel of block_quantize and block_quantize_ (quant/block_float.h), which check what they are given: `out` has
/// the strides of `values` and may be `values`. The word length is not kFull.
void block_quantize_out(const at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                        const at::Tensor& faults, at::Tensor& out);

/// The kernel of low_precision_sgd (train/sgd.h): gradients have the strides of their parameters, which are dense;
/// momentum is empty where its factor is 0.
void low_precision_sgd_step(const SgdStep& step, const NumberFormats& formats);

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
