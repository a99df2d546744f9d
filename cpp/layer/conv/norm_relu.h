#pragma once

#include <ATen/core/Tensor.h>

namespace earlybird {

/// What a convolution does to its images while it reads them: image * scale + shift in each channel, then ReLU, with
/// the bits of fused_norm::apply() but for those of NaN and, where pairs are multiplied, of subnormal values. Both are
/// float32 (C); undefined to take the images as they are.
struct NormRelu {
  at::Tensor scale, shift;
};

}  // namespace earlybird
