#include "train/sgd.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "ops.h"
#include "quant/blocks.h"

namespace earlybird {

void sgd(const SgdStep& step, const NumberFormats& formats) {
  for (const int64_t bits : {formats.weight, formats.grad, formats.momentum}) quant::check_format({.bits = bits});
  const bool rounds = std::max({formats.weight, formats.grad, formats.momentum}) != NumberFormats::kFull;
  if (rounds && formats.rounding == Rounding::kStochastic && !step.position.defined())
    throw Error("ERR_INTERNAL", "Stochastic rounding was given no position in its random sequence.");
  at::NoGradGuard no_grad;
  SgdStep dense = step;
  for (size_t i = 0; i < step.parameters.size(); ++i) {
    const at::Tensor &parameter = step.parameters[i], &gradient = step.gradients[i];
    quant::blocks_of(parameter, parameter.dim() > 0 ? 0 : -1);
    // The kernels walk the memory of all three side by side.
    if (gradient.defined() && gradient.strides() != parameter.strides())
      dense.gradients[i] = at::empty_like(parameter).copy_(gradient);
  }
  if (step.momentum_factor == 0) dense.momentum.clear();
  sgd_step(dense, formats);
}

}  // namespace earlybird
