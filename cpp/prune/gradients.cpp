#include "prune/gradients.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "core/error.h"
#include "core/shared_norms.h"
#include "data/pass.h"
#include "layer/layers.h"
#include "model/network.h"
#include "train/forward_work.h"
#include "train/run_pass.h"

namespace earlybird {
namespace {

/// Sums tensors over the ranks, in double, so that all get the same bits.
void sum_over(Ranks& ranks, std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& tensor : tensors) flat.push_back(tensor.reshape(-1));
  const at::Tensor all = at::cat(flat).to(at::kDouble).cpu().contiguous();
  ranks.sum(all.mutable_data_ptr<double>(), all.numel(), "the sum of gradients for scores");
  int64_t at = 0;
  for (at::Tensor& tensor : tensors) {
    tensor = all.narrow(0, at, tensor.numel()).view(tensor.sizes()).to(tensor.device(), tensor.scalar_type());
    at += tensor.numel();
  }
}

}  // namespace

StateGuard::StateGuard(Network& network) {
  at::NoGradGuard no_grad;
  tensors_ = network.parameters();
  for (const at::Tensor& buffer : network.buffers()) tensors_.push_back(buffer);
  for (const at::Tensor& tensor : tensors_) before_.push_back(tensor.detach().clone());
}

StateGuard::~StateGuard() {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < tensors_.size(); ++i) tensors_[i].copy_(before_[i]);
}

Gradients::Gradients(Network& network, const ScoreImages& images, const CancelToken& cancel)
    : network_(network), images_(images), cancel_(cancel), parameters_(network.parameters()) {}

void Gradients::run(const Differentiate& differentiate,
                    const std::function<void(std::vector<at::Tensor>& values, double images)>& use) {
  Dataset& dataset = *images_.dataset;
  check_fit(network_, dataset, images_.batch_size);
  const StateGuard statistics(network_);
  network_.train();
  Ranks* ranks = network_.ranks.get();
  const auto pass = dataset.train_pass(images_.seed, 0, images_.batch_size, token_for_data(ranks, cancel_));
  ForwardWork forward(network_, std::nullopt);
  PassWork work = forward.start(*pass, images_.batch_size, /*bf16=*/false, "the gradients of scores");
  work.most_steps = images_.batches;
  const at::TensorOptions floats = parameters_.front().options().requires_grad(false);
  work.idle = Batch{at::empty({0, 3, dataset.height(), dataset.width()}, floats, at::MemoryFormat::ChannelsLast),
                    at::empty({0}, floats.dtype(at::kLong))};
  double images = 0;
  work.before = [&images](int64_t of_all) { images = static_cast<double>(of_all); };
  work.work = [&](const Batch& batch) {
    std::vector<at::Tensor> values;
    {
      const SharedNormsGuard norms(network_.sync_norms ? ranks : nullptr);
      const KernelsGuard own(network_.kernels);
      const at::Tensor logits = network_.forward(batch.images);
      values = differentiate(at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Sum));
      (void)forward.sums.add(logits.detach(), batch.labels);
    }
    const at::NoGradGuard no_grad;
    if (ranks) sum_over(*ranks, values);
    use(values, images);
  };
  CapturedWork eager({});
  const PassResult result = run_pass(std::move(work), eager, forward.sums, forward.numbers, cancel_, {});
  if (result.images == 0)
    throw Error("ERR_DATASET", "There is no training image to take the gradients of scores from.");
}

void Gradients::each(const std::function<void(const std::vector<at::Tensor>&)>& use) {
  run([&](const at::Tensor& loss) { return torch::autograd::grad({loss}, parameters_); },
      [&](std::vector<at::Tensor>& values, double images) {
        for (at::Tensor& value : values) value = value / images;
        use(values);
      });
}

std::vector<at::Tensor> Gradients::average(const Differentiate& differentiate) {
  std::vector<at::Tensor> sum;
  double all = 0;
  run(differentiate, [&](std::vector<at::Tensor>& values, double images) {
    all += images;
    if (sum.empty())
      sum = values;
    else
      for (size_t i = 0; i < sum.size(); ++i) sum[i] = sum[i] + values[i];
  });
  for (at::Tensor& one : sum) one = one / all;
  return sum;
}

std::vector<at::Tensor> Gradients::mean() {
  return average([&](const at::Tensor& loss) { return torch::autograd::grad({loss}, parameters_); });
}

std::vector<at::Tensor> Gradients::hessian_times(const std::vector<at::Tensor>& vector) {
  const PlainLayersGuard plain;
  return average([&](const at::Tensor& loss) {
    const auto gradients = torch::autograd::grad({loss}, parameters_, {}, /*retain_graph=*/true, /*create_graph=*/true);
    at::Tensor product = at::zeros({}, loss.options());
    for (size_t i = 0; i < gradients.size(); ++i) product = product + (gradients[i] * vector[i]).sum();
    return torch::autograd::grad({product}, parameters_);
  });
}

}  // namespace earlybird
