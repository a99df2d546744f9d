#pragma once

#include <ATen/core/Tensor.h>

namespace earlybird {

/// Some channels of images, and the images again. A gradient of `images` is added in the pass that makes the gradient
/// of `channels`.
struct Gathered {
  at::Tensor channels, images;
};

/// `images` (N, C, H, W), float32 or bfloat16, in channels_last memory on the CPU or CUDA; `channels` int64,
/// ascending, each below C. The slow twin is index_select.
Gathered gather_channels(const at::Tensor& images, const at::Tensor& channels);

}  // namespace earlybird
