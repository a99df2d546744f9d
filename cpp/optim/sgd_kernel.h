// The arithmetic of the optimiser step for one value, shared by the CPU and CUDA kernels.
#pragma once

#include <cstdint>

#include "quant/rounding.h"

namespace earlybird {

struct SgdRates {
  float lr, momentum, weight_decay, l1;
};

/// The arguments of the CPU kernel; word lengths may be NumberFormats::kFull.
struct SgdKernelStep {
  SgdRates rates;
  int64_t weight, grad, momentum;
  bool nearest, swalp;
  uint64_t seed;
  /// The position of a RandomLane.
  int64_t position;
};

/// The gradient of a BN gamma plus its L1 subgradient.
EB_SCALAR float with_l1(float gradient, float weight, float l1) {
  const float sign = static_cast<float>(static_cast<int32_t>(weight > 0) - static_cast<int32_t>(weight < 0));
  return gradient + sign * l1;
}

/// SGD with weight decay and momentum; without momentum, pass 0 for the buffer and its factor.
EB_SCALAR void sgd_move(float gradient, float& weight, float& momentum, const SgdRates& rates) {
  const float change = gradient + weight * rates.weight_decay;
  momentum = momentum * rates.momentum + change;
  weight = weight - momentum * rates.lr;
}

}  // namespace earlybird
