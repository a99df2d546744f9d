#include "layer/fused_norm.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "core/ops.h"

namespace earlybird::fused_norm {

Folded fold_batch(const at::Tensor& images, const Layer& layer) {
  const auto [mean, inverse_std, scale, shift] =
      norm_fold_batch(images, layer.gamma, layer.beta, layer.channels, layer.running_mean, layer.running_var,
                      layer.batches_tracked, layer.momentum, layer.eps);
  return {mean, inverse_std, scale, shift};
}

Selected fold_selected(const at::Tensor& images, const Layer& layer) {
  const auto [gathered, mean, inverse_std, scale, shift] =
      norm_fold_selected(images, layer.gamma, layer.beta, layer.channels, layer.running_mean, layer.running_var,
                         layer.batches_tracked, layer.momentum, layer.eps);
  return {gathered, {mean, inverse_std, scale, shift}};
}

Folded fold_running(const Layer& layer) {
  const auto [scale, shift] =
      norm_fold_running(layer.gamma, layer.beta, layer.channels, layer.running_mean, layer.running_var, layer.eps);
  return {{}, {}, scale, shift};
}

at::Tensor apply(const at::Tensor& images, const Folded& folded, const at::Tensor& shortcut, bool relu) {
  return norm_apply(images, folded.scale, folded.shift, shortcut, relu);
}

Gradients backward(const Context& context, const at::Tensor& gradient, const at::Tensor& beside) {
  const auto& [mean, inverse_std, scale, shift] = context.folded;
  const auto [images, gamma, beta, shortcut] =
      norm_backward(context.images, mean, inverse_std, scale, shift, context.output, context.relu, context.shortcut,
                    gradient, beside);
  return {images, gamma, beta, shortcut};
}

Gradients backward_selected(const Context& context, const at::Tensor& gradient, const at::Tensor& channels,
                            int64_t width, const at::Tensor& beside) {
  const auto& [mean, inverse_std, scale, shift] = context.folded;
  const auto [images, gamma, beta] = norm_backward_selected(context.images, mean, inverse_std, scale, shift,
                                                            context.relu, gradient, channels, width, beside);
  return {images, gamma, beta, {}};
}

namespace {

using Optional = std::optional<at::Tensor>;

/// Where a device has no kernel for both at once: the selection, then the layer.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> fold_taken(
    const at::Tensor& images, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& channels,
    at::Tensor running_mean, at::Tensor running_var, at::Tensor batches, double momentum, double eps) {
  const at::Tensor taken = take_channels(images, channels);
  const auto [mean, inverse_std, scale, shift] =
      norm_fold_batch(taken, gamma, beta, channels, running_mean, running_var, batches, momentum, eps);
  return {taken, mean, inverse_std, scale, shift};
}

/// The way back.
std::tuple<at::Tensor, at::Tensor, at::Tensor> backward_put(const at::Tensor& images, const at::Tensor& mean,
                                                            const at::Tensor& inverse_std, const at::Tensor& scale,
                                                            const at::Tensor& shift, bool relu,
                                                            const at::Tensor& gradient, const at::Tensor& channels,
                                                            int64_t width, const Optional& beside) {
  const auto [of_images, gamma, beta, none] =
      norm_backward(images, mean, inverse_std, scale, shift, {}, relu, false, gradient, {});
  const auto spread = [&](const at::Tensor& of_channels) {
    return at::zeros({width}, of_channels.options()).index_copy_(0, channels, of_channels);
  };
  return {put_channels(of_images, channels, width, beside.value_or(at::Tensor())), spread(gamma), spread(beta)};
}

}  // namespace
}  // namespace earlybird::fused_norm

TORCH_LIBRARY_IMPL(earlybird, CompositeExplicitAutograd, m) {
  m.impl("norm_fold_selected", &earlybird::fused_norm::fold_taken);
  m.impl("norm_backward_selected", &earlybird::fused_norm::backward_put);
}
