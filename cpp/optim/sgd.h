#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "quant/formats.h"

namespace earlybird {

/// The arguments of one optimiser step, which works in place. Lists have one entry a parameter.
struct SgdStep {
  std::vector<at::Tensor> parameters, gradients, momentum;
  /// Not 0 for a BN gamma, whose gradient gets the L1 subgradient.
  std::vector<uint8_t> is_gamma;
  at::Tensor lr;  // float32 scalar on the device
  double momentum_factor = 0.9, weight_decay = 1e-4, l1 = 0;
  /// Key of stochastic rounding; see RandomLane.
  uint64_t seed = 1;
  at::Tensor position, faults;
};

/// SGD with momentum, weight decay and the L1 term of gammas, in one pass over the memory of all parameters. Low
/// precision follows the order of QPyTorch's OptimLP (docs/reference.md#10): gradient with its L1 term quantised, SGD
/// in float32, weights quantised, momentum quantised. The slow twin plain_sgd gives the same bits.
void sgd(const SgdStep& step, const NumberFormats& formats);

void plain_sgd(const SgdStep& step, const NumberFormats& formats);

}  // namespace earlybird
