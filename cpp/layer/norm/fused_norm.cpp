#include "layer/norm/fused_norm.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "core/ops.h"
#include "core/shared_norms.h"

namespace earlybird::fused_norm {

Folded fold_batch(const at::Tensor& images, const Layer& layer) {
  const auto fold = [&](auto&& with, const at::Tensor& from) -> Folded {
    const auto [mean, inverse_std, scale, shift] =
        with(from, layer.gamma, layer.beta, layer.channels, layer.running_mean, layer.running_var,
             layer.batches_tracked, layer.momentum, layer.eps);
    return {mean, inverse_std, scale, shift};
  };
  Ranks* ranks = shared_norms();
  if (!ranks) return fold(norm_fold_batch, images);
  const at::Tensor moments = norm_moments(images);
  ranks->sum(moments, "the statistics of BatchNorm");
  return fold(norm_fold_moments, moments);
}

Selected fold_selected(const at::Tensor& images, const Layer& layer) {
  if (shared_norms()) {
    const at::Tensor taken = take_channels(images, layer.channels);
    return {taken, fold_batch(taken, layer)};
  }
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
  const auto& [input, folded, output, relu, has_shortcut] = context;
  if (Ranks* ranks = shared_norms()) {
    // The gradients of gamma and beta cover this rank's images only: the reduction of gradients adds up those of all
    // ranks.
    const auto [gamma, beta, sums] = norm_gradient_sums(input, mean, inverse_std, scale, shift, output, relu, gradient);
    ranks->sum(sums, "the gradients of BatchNorm");
    const auto [images, shortcut] =
        norm_gradients(input, mean, inverse_std, scale, shift, output, relu, has_shortcut, gradient, beside, sums);
    return {images, gamma, beta, shortcut};
  }
  const auto [images, gamma, beta, shortcut] =
      norm_backward(input, mean, inverse_std, scale, shift, output, relu, has_shortcut, gradient, beside);
  return {images, gamma, beta, shortcut};
}

namespace {

/// Spreads the gradients of some channels over all `width` channels.
Gradients put(const Gradients& of, const at::Tensor& channels, int64_t width, const at::Tensor& beside) {
  const auto spread = [&](const at::Tensor& vector) {
    return at::zeros({width}, vector.options()).index_copy_(0, channels, vector);
  };
  return {put_channels(of.images, channels, width, beside), spread(of.gamma), spread(of.beta), {}};
}

}  // namespace

Gradients backward_selected(const Context& context, const at::Tensor& gradient, const at::Tensor& channels,
                            int64_t width, const at::Tensor& beside) {
  if (shared_norms()) return put(backward(context, gradient, {}), channels, width, beside);
  const auto& [mean, inverse_std, scale, shift] = context.folded;
  const auto [images, gamma, beta] = norm_backward_selected(context.images, mean, inverse_std, scale, shift,
                                                            context.relu, gradient, channels, width, beside);
  return {images, gamma, beta, {}};
}

namespace {

using Optional = std::optional<at::Tensor>;

/// The forward pass on a device without a kernel for both at once: the selection, then the layer.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> fold_taken(
    const at::Tensor& images, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& channels,
    at::Tensor running_mean, at::Tensor running_var, at::Tensor batches, double momentum, double eps) {
  const at::Tensor taken = take_channels(images, channels);
  const auto [mean, inverse_std, scale, shift] =
      norm_fold_batch(taken, gamma, beta, channels, running_mean, running_var, batches, momentum, eps);
  return {taken, mean, inverse_std, scale, shift};
}

/// The backward pass of fold_taken().
std::tuple<at::Tensor, at::Tensor, at::Tensor> backward_put(const at::Tensor& images, const at::Tensor& mean,
                                                            const at::Tensor& inverse_std, const at::Tensor& scale,
                                                            const at::Tensor& shift, bool relu,
                                                            const at::Tensor& gradient, const at::Tensor& channels,
                                                            int64_t width, const Optional& beside) {
  const auto [of_images, of_gamma, of_beta, none] =
      norm_backward(images, mean, inverse_std, scale, shift, {}, relu, false, gradient, {});
  const Gradients out = put({of_images, of_gamma, of_beta, {}}, channels, width, beside.value_or(at::Tensor()));
  return {out.images, out.gamma, out.beta};
}

}  // namespace
}  // namespace earlybird::fused_norm

TORCH_LIBRARY_IMPL(earlybird, CompositeExplicitAutograd, m) {
  m.impl("norm_fold_selected", &earlybird::fused_norm::fold_taken);
  m.impl("norm_backward_selected", &earlybird::fused_norm::backward_put);
}
