#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "quant/formats.h"

namespace earlybird {

/// All that one optimiser step reads and writes. Lists are parallel, one entry a parameter; everything is changed in
/// place.
struct SgdStep {
  std::vector<at::Tensor> parameters, gradients, momentum;
  /// Not 0 for BN gammas: the L1 subgradient goes into their gradients.
  std::vector<uint8_t> is_gamma;
  at::Tensor lr;  // float32 scalar on the device
  double momentum_factor = 0.9, weight_decay = 1e-4, l1 = 0;
  /// For stochastic rounding; see RandomLane.
  uint64_t seed = 1;
  at::Tensor position, faults;
};

/// Low-precision SGD with momentum in the order of QPyTorch's OptimLP (spec section 10): gradient with its L1 term
/// quantised, SGD in float32, weights quantised, momentum quantised. One pass over the memory of all parameters. The
/// slow twin is plain_low_precision_sgd; same bits.
void low_precision_sgd(const SgdStep& step, const NumberFormats& formats);

void plain_low_precision_sgd(const SgdStep& step, const NumberFormats& formats);

}  // namespace earlybird
