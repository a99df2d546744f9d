#include <ATen/ATen.h>

#include "model/layers.h"

namespace earlybird {

at::Tensor normalise(torch::nn::BatchNorm2d& norm, const at::Tensor& images) { return norm->forward(images); }

at::Tensor normalise_relu(torch::nn::BatchNorm2d& norm, const at::Tensor& images) {
  return norm->forward(images).relu_();
}

at::Tensor normalise_add_relu(torch::nn::BatchNorm2d& norm, const at::Tensor& images, const at::Tensor& shortcut) {
  return norm->forward(images).add_(shortcut).relu_();
}

at::Tensor normalise_select_relu(torch::nn::BatchNorm2d& norm, ChannelSelect& select, const at::Tensor& images) {
  if (select->selects_all()) return normalise_relu(norm, images);
  const at::Tensor& channels = select->channels();
  const at::Tensor mean = norm->running_mean.index_select(0, channels);
  const at::Tensor variance = norm->running_var.index_select(0, channels);
  const bool train = norm->is_training();
  const at::Tensor out = at::batch_norm(
      select->forward(images), norm->weight.index_select(0, channels), norm->bias.index_select(0, channels), mean,
      variance, train, *norm->options.momentum(), norm->options.eps(), at::globalContext().userEnabledCuDNN());
  if (train) {
    at::NoGradGuard no_grad;
    norm->running_mean.index_copy_(0, channels, mean);
    norm->running_var.index_copy_(0, channels, variance);
    norm->num_batches_tracked.add_(1);
  }
  return out.relu();
}

}  // namespace earlybird
