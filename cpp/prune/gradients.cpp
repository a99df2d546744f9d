#include "prune/gradients.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "layer/layers.h"
#include "model/network.h"
#include "prune/score_pass.h"

namespace earlybird {

Gradients::Gradients(Network& network, const ScoreImages& images, const CancelToken& cancel)
    : network_(network), images_(images), cancel_(cancel), parameters_(network.parameters()) {}

void Gradients::run(const Differentiate& differentiate,
                    const std::function<void(std::vector<at::Tensor>& values, double images)>& use) {
  Ranks* ranks = network_.ranks.get();
  network_.train();
  for_each_batch(network_, images_, cancel_, [&](const Batch& batch, double images) {
    std::vector<at::Tensor> values;
    const at::Tensor logits = network_.forward(batch.images);
    values = differentiate(at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Sum));
    const at::NoGradGuard no_grad;
    if (ranks) sum_over(*ranks, values, "the sum of gradients for scores");
    use(values, images);
    return logits.detach();
  });
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
