#include "train/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "core/tensor_io.h"
#include "data/pass.h"
#include "train/run_pass.h"
#include "train/step.h"

namespace earlybird {
namespace {

/// On a GPU a kernel would read beyond the logits for others.
void check_labels(const at::Tensor& images, const at::Tensor& labels, int64_t classes) {
  const int64_t count = images.dim() > 0 ? images.size(0) : 0;
  if (labels.size(0) != count)
    throw Error("ERR_SHAPE", std::to_string(count) + " images have " + std::to_string(labels.size(0)) +
                                 " labels: give each its own.");
  if (labels.lt(0).logical_or_(labels.ge(classes)).any().item<bool>())
    throw Error("ERR_DATASET",
                "A label is not a class of the model: give labels from 0 to " + std::to_string(classes - 1) + ".");
}

}  // namespace

Trainer::Trainer(std::shared_ptr<Network> network, const TrainerOptions& options)
    : step_(std::make_unique<Step>(std::move(network), options)) {}

Trainer::~Trainer() = default;

PassResult Trainer::epoch(Dataset& dataset, int64_t epoch, double lr, int64_t batch_size, int64_t most_steps,
                          const CancelToken& cancel, const ProgressCallback& progress, const PassPosition& from) {
  Step& step = *step_;
  check_fit(*step.network, dataset, batch_size);
  const auto pass = dataset.train_pass(step.options.seed, static_cast<uint32_t>(epoch), batch_size,
                                       token_for_data(step.network->ranks.get(), cancel), {from.batches, from.bad});
  step.start(epoch, lr, from);
  position_ = from;
  const std::string where = "epoch " + std::to_string(epoch);
  const CapturedWork::Work work = [&step](const Batch& batch) {
    step.gradients(batch);
    step.update();
  };
  return run_pass({.pass = *pass,
                   .batch_size = batch_size,
                   .most_steps = most_steps,
                   .bf16 = step.options.bf16,
                   .work = work,
                   .state = step.state(),
                   .where = where,
                   .ranks = step.network->ranks.get(),
                   .idle = step.idle_batch(dataset),
                   .position = &position_},
                  step.captured, step.sums, step.numbers, cancel, progress);
}

StepResult Trainer::step(const HostTensor& images, const HostTensor& labels, double lr, bool gradients) {
  Step& step = *step_;
  const at::Tensor pictures = view_of(images), classes = view_of(labels).to(at::kLong);
  check_labels(pictures, classes, step.classes);
  PassPosition from;
  from.steps = step.single_steps++;
  step.start(0, lr, from);
  const at::Device device = step.parameters.front().device();
  step.gradients({pictures.to(device).contiguous(at::MemoryFormat::ChannelsLast), classes.to(device)});
  StepResult out;
  if (gradients) {
    out.gradients.emplace();
    for (size_t i = 0; i < step.keys.size(); ++i)
      out.gradients->emplace_back(step.keys[i], to_host(step.parameters[i].grad()));
  }
  step.update();
  step.numbers.check("training by single steps");
  const at::Tensor sums = step.sums.tensor().cpu();
  out.loss = sums.const_data_ptr<double>()[kLoss];
  out.correct = static_cast<int64_t>(sums.const_data_ptr<double>()[kCorrect1]);
  return out;
}

PassPosition Trainer::position() const {
  step_->numbers.check("the epoch");
  (void)step_->sums.read("the epoch");
  PassPosition out = position_;
  step_->sums.write(out);
  out.bad = bad_of_all(step_->network->ranks.get(), out.bad);
  return out;
}

Snapshot Trainer::snapshot() const {
  NamedTensors momentum;
  for (size_t i = 0; i < step_->keys.size(); ++i) momentum.emplace_back(step_->keys[i], step_->momentum[i]);
  return {to_host(state_of(*step_->network)), to_host(momentum)};
}

void Trainer::restore_momentum(const HostState& momentum) {
  at::NoGradGuard no_grad;
  Step& step = *step_;
  std::vector<std::pair<at::Tensor, at::Tensor>> fits;  // a map that does not fit changes nothing
  for (const auto& [key, tensor] : momentum) {
    const auto found = std::find(step.keys.begin(), step.keys.end(), key);
    if (found == step.keys.end())
      throw Error("ERR_CHECKPOINT", "The model has no parameter " + key + " for this momentum.");
    const at::Tensor& buffer = step.momentum[found - step.keys.begin()];
    const at::Tensor value = view_of(tensor);
    if (value.sizes() != buffer.sizes())
      throw Error("ERR_CHECKPOINT", "Momentum of " + key + " has another shape than the parameter.");
    fits.emplace_back(buffer, value);
  }
  for (const auto& [buffer, value] : fits) buffer.copy_(value);
}

void Trainer::share_momentum() {
  at::NoGradGuard no_grad;
  if (Ranks* ranks = step_->network->ranks.get()) ranks->broadcast(step_->momentum, "the momentum of rank 0");
}

}  // namespace earlybird
