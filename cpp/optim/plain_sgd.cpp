// The slow twin of sgd, by ATen's operators and plain_block_quantize. Each product and each sum is rounded, as in the
// kernels.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "optim/sgd.h"
#include "quant/block_float.h"

namespace earlybird {

void plain_sgd(const SgdStep& step, const NumberFormats& formats) {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < step.parameters.size(); ++i) {
    at::Tensor parameter = step.parameters[i];
    const auto rounded = [&](const at::Tensor& values, int64_t bits, NumberKind kind) {
      const BlockFloat format{bits, parameter_dim(parameter, formats.flavour), formats.rounding, formats.flavour};
      return plain_block_quantize(values, format, {step.seed, lane_of(kind, i), step.position});
    };
    if (step.gradients[i].defined()) {
      // The random bits of all three are numbered in the memory order of the parameter.
      at::Tensor gradient = at::empty_like(parameter).copy_(step.gradients[i]);
      if (step.is_gamma[i]) gradient = gradient + at::sign(parameter) * step.l1;
      at::Tensor change = rounded(gradient, formats.grad, NumberKind::kGradient) + parameter * step.weight_decay;
      if (step.momentum_factor != 0) {
        at::Tensor buffer = step.momentum[i];
        change = buffer * step.momentum_factor + change;
        buffer.copy_(rounded(change, formats.momentum, NumberKind::kMomentum));
      }
      parameter.copy_(parameter - change * step.lr);
    }
    parameter.copy_(rounded(parameter, formats.weight, NumberKind::kWeight));
  }
}

}  // namespace earlybird
