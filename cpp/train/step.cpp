#include "train/step.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/autocast.h"
#include "core/error.h"
#include "core/shared_norms.h"
#include "optim/sgd.h"

namespace earlybird {

Trainer::Step::Step(std::shared_ptr<Network> model, const TrainerOptions& chosen)
    : network(std::move(model)),
      options(chosen),
      numbers(*network, chosen.seed, NumberKind::kActivation),
      sums(network->parameters().front().device(), network->ranks.get()),
      captured(chosen.graphs) {
  at::NoGradGuard no_grad;
  for (const auto& entry : network->named_parameters()) {
    keys.push_back(entry.key());
    parameters.push_back(entry.value());
    momentum.push_back(at::zeros_like(entry.value()));  // after the switch to channels_last, so that strides match
  }
  auto state = network->named_parameters();
  const ModelDescription description = network->describe();
  classes = description.classes;
  is_gamma.assign(keys.size(), false);
  for (const auto& norm : description.batch_norms) {
    const std::string key = norm.key + ".weight";
    gammas.push_back(state[key]);
    is_gamma[std::find(keys.begin(), keys.end(), key) - keys.begin()] = true;
  }
  lr = at::zeros({}, parameters.front().options());
  if (network->ranks) reduction = network->ranks->reduce(parameters);
}

void Trainer::Step::start(int64_t epoch, double rate, const PassPosition& from) {
  at::NoGradGuard no_grad;
  network->train();
  forget_gradients();  // a step may have failed half way
  follow_formats();
  lr.fill_(rate);
  numbers.start(epoch, from.steps);
  sums.start(from);
}

void Trainer::Step::forget_gradients() {
  for (auto& parameter : parameters) parameter.mutable_grad() = at::Tensor();
}

void Trainer::Step::follow_formats() {
  if (numbers.fits(*network)) return;
  captured = CapturedWork(options.graphs);
  numbers = LowPrecision(*network, options.seed, NumberKind::kActivation);
}

void Trainer::Step::gradients(const Batch& batch) {
  Ranks* ranks = network->ranks.get();
  SharedNormsGuard norms(network->sync_norms ? ranks : nullptr);
  at::Tensor logits;
  {
    AutocastGuard autocast(options.bf16, batch.images.device().type());
    QuantizeGuard quantize(numbers.pass());
    KernelsGuard own(network->kernels);
    logits = network->forward(batch.images).to(at::kFloat);
  }
  const at::Tensor slope = sums.add(logits, batch.labels);
  if (!reduction) return logits.backward(slope);
  reduction->run([&] { logits.backward(slope); });
}

std::optional<Batch> Trainer::Step::idle_batch(const Dataset& dataset) const {
  if (!network->ranks) return std::nullopt;
  return no_images(*network, dataset);
}

std::vector<at::Tensor> Trainer::Step::state() const {
  std::vector<at::Tensor> out = parameters;
  out.insert(out.end(), momentum.begin(), momentum.end());
  for (const at::Tensor& buffer : network->buffers()) out.push_back(buffer);
  out.push_back(sums.tensor());
  if (const QuantizedPass* pass = numbers.pass()) out.insert(out.end(), {pass->position, pass->faults});
  return out;
}

void Trainer::Step::round_weights() {
  const QuantizedPass& pass = *numbers.pass();
  const OperandFormats& operands = pass.formats.operands;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parameters[i].dim() != 4) continue;
    // Blocks lie along the axis of the forward product's sum. Rounding is stochastic, because steps are often below
    // half of a grid step.
    const MxRule rule{operands.weight, operands.scale, MxRounding::kStochastic, 1};
    const RandomLane random{pass.seed, lane_of(NumberKind::kWeight, i), pass.position};
    parameters[i].copy_(mx_round(parameters[i], rule, random, at::kFloat, pass.faults));
  }
}

void Trainer::Step::update() {
  at::NoGradGuard no_grad;
  SgdStep step;
  step.parameters = parameters;
  step.momentum = momentum;
  step.is_gamma = is_gamma;
  step.lr = lr;
  step.momentum_factor = options.momentum;
  step.weight_decay = options.weight_decay;
  step.l1 = options.l1;
  step.seed = options.seed;
  for (const auto& parameter : parameters) step.gradients.push_back(parameter.grad());
  if (const QuantizedPass* pass = numbers.pass()) {
    step.position = pass->position;
    step.faults = pass->faults;
  }
  sgd(step, network->formats.value_or(NumberFormats{}));
  if (numbers.pass() && numbers.pass()->formats.operands.keep_weights) round_weights();
  forget_gradients();  // here, so that no gradient of a captured step outlives its graph
  numbers.advance();
}

}  // namespace earlybird
