#include "optim/sgd.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "core/ops.h"
#include "quant/blocks.h"

namespace earlybird {
namespace {

/// Full precision on the CPU uses LibTorch's operator, which gives the bits of PyTorch and of the golden data. Its CUDA
/// operator needs a launch for every few parameters, and further ones for the L1 term.
void library_sgd(const SgdStep& step) {
  std::vector<at::Tensor> parameters, gradients, momentum, gammas, of_gammas;
  for (size_t i = 0; i < step.parameters.size(); ++i) {
    if (!step.gradients[i].defined()) continue;
    parameters.push_back(step.parameters[i]);
    gradients.push_back(step.gradients[i]);
    if (step.momentum_factor != 0) momentum.push_back(step.momentum[i]);
    if (!step.is_gamma[i]) continue;
    gammas.push_back(step.parameters[i]);
    of_gammas.push_back(step.gradients[i]);
  }
  if (step.l1 != 0 && !gammas.empty()) at::_foreach_add_(of_gammas, at::_foreach_sign(gammas), step.l1);
  // Momentum starts at zero, so the first step equals the reference's (buffer = gradient) without a special case.
  at::_fused_sgd_(parameters, gradients, momentum, step.weight_decay, step.momentum_factor, step.lr, /*dampening=*/0,
                  /*nesterov=*/false, /*maximize=*/false, /*is_first_step=*/false);
}

/// True where two tensors of one shape have the same memory order. Dimensions of one entry do not matter.
bool same_order(const at::Tensor& a, const at::Tensor& b) {
  for (int64_t d = 0; d < a.dim(); ++d)
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) return false;
  return true;
}

}  // namespace

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
    if (gradient.defined() && !same_order(gradient, parameter))
      dense.gradients[i] = at::empty_like(parameter).copy_(gradient);
  }
  if (!rounds && step.lr.is_cpu()) return library_sgd(dense);
  if (step.momentum_factor == 0) dense.momentum.clear();
  const std::vector<int64_t> is_gamma(step.is_gamma.begin(), step.is_gamma.end());
  sgd_step(dense.parameters, dense.gradients, dense.momentum, is_gamma, step.lr, step.momentum_factor,
           step.weight_decay, step.l1, {formats.weight, formats.grad, formats.momentum},
           formats.rounding == Rounding::kNearest, formats.flavour == BlockFlavour::kSwalp,
           static_cast<int64_t>(step.seed), step.position, step.faults);
}

}  // namespace earlybird
