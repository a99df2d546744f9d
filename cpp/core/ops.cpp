// The schema of every kernel of ours. CPU kernels register beside their room (cpp/data/augment.cpp, ...), CUDA kernels
// in the plugin.
#include "core/ops.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <optional>
#include <vector>

TORCH_LIBRARY(earlybird, m) {
  m.def("crop_flip(Tensor images, Tensor order, Tensor place, int size, int padding, bool flip) -> Tensor");
  m.def("pixels_to_input(Tensor pixels, Tensor table) -> Tensor");
  m.def(
      "crop_flip_to_input(Tensor images, Tensor order, Tensor place, Tensor table, int size, int padding, bool flip, "
      "bool bf16) -> Tensor");
  m.def("next_labels(Tensor labels, Tensor order, Tensor(a!) place, int size) -> Tensor");
  m.def("cross_entropy_step(Tensor logits, Tensor labels, Tensor(a!) sums) -> Tensor");
  m.def("mask_bits(Tensor magnitude, Tensor pool, int[] positions, Tensor? kept_above) -> Tensor");
  m.def(
      "block_quantize_out(Tensor values, int bits, int dim, bool nearest, bool swalp, int seed, int lane, Tensor? "
      "position, Tensor(a!)? faults, Tensor(b!) out) -> ()");
  m.def(
      "sgd_step(Tensor(a!)[] parameters, Tensor[] gradients, Tensor(b!)[] momentum, int[] is_gamma, "
      "Tensor "
      "lr, float momentum_factor, float weight_decay, float l1, int[] bits, bool nearest, bool swalp, int seed, "
      "Tensor? "
      "position, Tensor(c!)? faults) -> ()");
  m.def(
      "norm_fold_batch(Tensor images, Tensor gamma, Tensor beta, Tensor? channels, Tensor(a!) running_mean, Tensor(b!) "
      "running_var, Tensor(c!) batches_tracked, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "norm_fold_running(Tensor gamma, Tensor beta, Tensor? channels, Tensor running_mean, Tensor running_var, float "
      "eps) -> (Tensor, Tensor)");
  m.def("norm_apply(Tensor images, Tensor scale, Tensor shift, Tensor? shortcut, bool relu) -> Tensor");
  m.def(
      "norm_backward(Tensor images, Tensor mean, Tensor inverse_std, Tensor scale, Tensor shift, Tensor? output, bool "
      "relu, bool shortcut, Tensor gradient, Tensor? beside) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def("take_channels(Tensor images, Tensor channels) -> Tensor");
  m.def("put_channels(Tensor gradient, Tensor channels, int width, Tensor? beside) -> Tensor");
}

namespace earlybird {

at::Tensor crop_flip(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place, int64_t size,
                     int64_t padding, bool flip) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("earlybird::crop_flip", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t, int64_t, bool)>();
  return op.call(images, order, place, size, padding, flip);
}

at::Tensor crop_flip_to_input(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place,
                              const at::Tensor& table, int64_t size, int64_t padding, bool flip, bool bf16) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("earlybird::crop_flip_to_input", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                               const at::Tensor&, int64_t, int64_t, bool, bool)>();
  return op.call(images, order, place, table, size, padding, flip, bf16);
}

at::Tensor next_labels(const at::Tensor& labels, const at::Tensor& order, at::Tensor& place, int64_t size) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("earlybird::next_labels", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, at::Tensor&, int64_t)>();
  return op.call(labels, order, place, size);
}

at::Tensor pixels_to_input(const at::Tensor& pixels, const at::Tensor& table) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("earlybird::pixels_to_input", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&)>();
  return op.call(pixels, table);
}

namespace {

std::optional<at::Tensor> optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

}  // namespace

at::Tensor cross_entropy_step(const at::Tensor& logits, const at::Tensor& labels, at::Tensor& sums) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("earlybird::cross_entropy_step", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, at::Tensor&)>();
  return op.call(logits, labels, sums);
}

at::Tensor mask_bits(const at::Tensor& magnitude, const at::Tensor& pool, at::IntArrayRef positions,
                     const at::Tensor& kept_above) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("earlybird::mask_bits", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, at::IntArrayRef, const std::optional<at::Tensor>&)>();
  return op.call(magnitude, pool, positions, optional(kept_above));
}

void block_quantize_out(const at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                        const at::Tensor& faults, at::Tensor& out) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("earlybird::block_quantize_out", "")
          .typed<void(const at::Tensor&, int64_t, int64_t, bool, bool, int64_t, int64_t,
                      const std::optional<at::Tensor>&, const std::optional<at::Tensor>&, at::Tensor)>();
  op.call(values, format.bits, format.dim, format.rounding == Rounding::kNearest,
          format.flavour == BlockFlavour::kSwalp, static_cast<int64_t>(random.seed), random.lane,
          optional(random.position), optional(faults), out);
}

void sgd_step(const SgdStep& step, const NumberFormats& formats) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("earlybird::sgd_step", "")
          .typed<void(at::TensorList, at::TensorList, at::TensorList, at::IntArrayRef, const at::Tensor&, double,
                      double, double, at::IntArrayRef, bool, bool, int64_t, const std::optional<at::Tensor>&,
                      const std::optional<at::Tensor>&)>();
  const std::vector<int64_t> is_gamma(step.is_gamma.begin(), step.is_gamma.end());
  op.call(step.parameters, step.gradients, step.momentum, is_gamma, step.lr, step.momentum_factor, step.weight_decay,
          step.l1, {formats.weight, formats.grad, formats.momentum}, formats.rounding == Rounding::kNearest,
          formats.flavour == BlockFlavour::kSwalp, static_cast<int64_t>(step.seed), optional(step.position),
          optional(step.faults));
}

fused_norm::Folded norm_fold_batch(const at::Tensor& images, const fused_norm::Layer& layer) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("earlybird::norm_fold_batch", "")
          .typed<std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>(
              const at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, at::Tensor,
              at::Tensor, at::Tensor, double, double)>();
  const auto [mean, inverse_std, scale, shift] =
      op.call(images, layer.gamma, layer.beta, optional(layer.channels), layer.running_mean, layer.running_var,
              layer.batches_tracked, layer.momentum, layer.eps);
  return {mean, inverse_std, scale, shift};
}

fused_norm::Folded norm_fold_running(const fused_norm::Layer& layer) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("earlybird::norm_fold_running", "")
                             .typed<std::tuple<at::Tensor, at::Tensor>(const at::Tensor&, const at::Tensor&,
                                                                       const std::optional<at::Tensor>&,
                                                                       const at::Tensor&, const at::Tensor&, double)>();
  const auto [scale, shift] =
      op.call(layer.gamma, layer.beta, optional(layer.channels), layer.running_mean, layer.running_var, layer.eps);
  return {{}, {}, scale, shift};
}

at::Tensor norm_apply(const at::Tensor& images, const fused_norm::Folded& folded, const at::Tensor& shortcut,
                      bool relu) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("earlybird::norm_apply", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                               const std::optional<at::Tensor>&, bool)>();
  return op.call(images, folded.scale, folded.shift, optional(shortcut), relu);
}

fused_norm::Gradients norm_backward(const fused_norm::Context& context, const at::Tensor& gradient,
                                    const at::Tensor& beside) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("earlybird::norm_backward", "")
          .typed<std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>(
              const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
              const std::optional<at::Tensor>&, bool, bool, const at::Tensor&, const std::optional<at::Tensor>&)>();
  const auto& [mean, inverse_std, scale, shift] = context.folded;
  const auto [images, gamma, beta, shortcut] =
      op.call(context.images, mean, inverse_std, scale, shift, optional(context.output), context.relu, context.shortcut,
              gradient, optional(beside));
  return {images, gamma, beta, shortcut};
}

at::Tensor take_channels(const at::Tensor& images, const at::Tensor& channels) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("earlybird::take_channels", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&)>();
  return op.call(images, channels);
}

at::Tensor put_channels(const at::Tensor& gradient, const at::Tensor& channels, int64_t width,
                        const at::Tensor& beside) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("earlybird::put_channels", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, int64_t, const std::optional<at::Tensor>&)>();
  return op.call(gradient, channels, width, optional(beside));
}

}  // namespace earlybird
