#include "train/step.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/autocast.h"
#include "core/error.h"
#include "train/sgd.h"

namespace earlybird {

Trainer::Step::Step(std::shared_ptr<Network> model, const TrainerOptions& chosen)
    : network(std::move(model)), options(chosen), numbers(*network, chosen.seed, NumberKind::kActivation) {
  at::NoGradGuard no_grad;
  for (const auto& entry : network->named_parameters()) {
    keys.push_back(entry.key());
    parameters.push_back(entry.value());
    momentum.push_back(at::zeros_like(entry.value()));  // after the switch to channels_last, so that strides match
  }
  auto state = network->named_parameters();
  is_gamma.assign(keys.size(), false);
  for (const auto& norm : network->describe().batch_norms) {
    const std::string key = norm.key + ".weight";
    gammas.push_back(state[key]);
    is_gamma[std::find(keys.begin(), keys.end(), key) - keys.begin()] = true;
  }
  lr = at::zeros({}, parameters.front().options());
}

void Trainer::Step::set_lr(double value) {
  at::NoGradGuard no_grad;
  lr.fill_(value);
}

std::pair<at::Tensor, at::Tensor> Trainer::Step::gradients(const at::Tensor& images, const at::Tensor& labels) {
  for (auto& parameter : parameters) parameter.mutable_grad() = at::Tensor();
  at::Tensor logits;
  {
    AutocastGuard autocast(options.bf16, images.device().type());
    QuantizeGuard quantize(numbers.pass());
    logits = network->forward(images).to(at::kFloat);
  }
  at::Tensor loss = at::cross_entropy_loss(logits, labels);
  loss.backward();
  return {loss, logits};
}

void Trainer::Step::update() {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters) gradients.push_back(parameter.grad());
  const NumberFormats formats = network->formats.value_or(NumberFormats{});
  if (std::max({formats.weight, formats.grad, formats.momentum}) != NumberFormats::kFull) {
    low_precision_sgd({.parameters = parameters,
                       .gradients = gradients,
                       .momentum = momentum,
                       .is_gamma = is_gamma,
                       .lr = lr,
                       .momentum_factor = options.momentum,
                       .weight_decay = options.weight_decay,
                       .l1 = options.l1,
                       .seed = options.seed,
                       .position = numbers.pass()->position,
                       .faults = numbers.pass()->faults},
                      formats);
    return numbers.advance();
  }
  if (options.l1 != 0) {
    std::vector<at::Tensor> gamma_gradients;
    for (const auto& gamma : gammas) gamma_gradients.push_back(gamma.grad());
    at::_foreach_add_(gamma_gradients, at::_foreach_sign(gammas), options.l1);
  }
  // Momentum starts at zero, so the first step is the release's (buffer = gradient) with no special case.
  if (options.momentum != 0)
    at::_fused_sgd_(parameters, gradients, momentum, options.weight_decay, options.momentum, lr, /*dampening=*/0,
                    /*nesterov=*/false,
                    /*maximize=*/false, /*is_first_step=*/false);
  else
    at::_fused_sgd_(parameters, gradients, {}, options.weight_decay, 0, lr, 0, false, false, false);
  numbers.advance();
}

}  // namespace earlybird
