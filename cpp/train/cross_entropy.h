#pragma once

#include <ATen/core/Tensor.h>

namespace earlybird {

/// cross_entropy_step (core/ops.h) by LibTorch's operators, on any device.
at::Tensor plain_cross_entropy_step(const at::Tensor& logits, const at::Tensor& labels, at::Tensor& sums,
                                    double share = 1);

}  // namespace earlybird
