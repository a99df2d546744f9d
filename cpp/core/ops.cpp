// The schema of every operator of ours. CPU kernels register in their rooms (data/resident/augment.cpp, ...), CUDA
// kernels in the plugin.
#include "core/ops.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <optional>

TORCH_LIBRARY(earlybird, m) {
  m.def("crop_flip(Tensor images, Tensor order, Tensor place, int size, int padding, bool flip) -> Tensor");
  m.def("pixels_to_input(Tensor pixels, Tensor table) -> Tensor");
  m.def(
      "crop_flip_to_input(Tensor images, Tensor order, Tensor place, Tensor table, int size, int padding, bool flip, "
      "bool bf16) -> Tensor");
  m.def("next_labels(Tensor labels, Tensor order, Tensor(a!) place, int size) -> Tensor");
  m.def("cross_entropy_step(Tensor logits, Tensor labels, Tensor(a!) sums, float share) -> Tensor");
  m.def("mask_bits(Tensor magnitude, Tensor pool, int[] positions, Tensor? kept_above) -> Tensor");
  m.def(
      "block_quantize_out(Tensor values, int bits, int dim, bool nearest, bool swalp, int seed, int lane, Tensor? "
      "position, Tensor(a!)? faults, Tensor(b!) out) -> ()");
  m.def(
      "mx_round_out(Tensor values, int format, int scale, int rounding, int length, int inner, int seed, int lane, "
      "Tensor? position, Tensor(a!)? faults, Tensor(b!) out) -> ()");
  m.def(
      "sgd_step(Tensor(a!)[] parameters, Tensor[] gradients, Tensor(b!)[] momentum, int[] is_gamma, Tensor lr, "
      "float momentum_factor, float weight_decay, float l1, int[] bits, bool nearest, bool swalp, int seed, "
      "Tensor? position, Tensor(c!)? faults) -> ()");
  m.def(
      "norm_fold_batch(Tensor images, Tensor gamma, Tensor beta, Tensor? channels, Tensor(a!) running_mean, Tensor(b!) "
      "running_var, Tensor(c!) batches_tracked, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "norm_fold_selected(Tensor images, Tensor gamma, Tensor beta, Tensor channels, Tensor(a!) running_mean, "
      "Tensor(b!) "
      "running_var, Tensor(c!) batches_tracked, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor, "
      "Tensor)");
  m.def(
      "norm_fold_running(Tensor gamma, Tensor beta, Tensor? channels, Tensor running_mean, Tensor running_var, float "
      "eps) -> (Tensor, Tensor)");
  m.def("norm_apply(Tensor images, Tensor scale, Tensor shift, Tensor? shortcut, bool relu) -> Tensor");
  m.def(
      "norm_backward(Tensor images, Tensor mean, Tensor inverse_std, Tensor scale, Tensor shift, Tensor? output, bool "
      "relu, bool shortcut, Tensor gradient, Tensor? beside) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "norm_backward_selected(Tensor images, Tensor mean, Tensor inverse_std, Tensor scale, Tensor shift, bool relu, "
      "Tensor gradient, Tensor channels, int width, Tensor? beside) -> (Tensor, Tensor, Tensor)");
  // BatchNorm whose statistics ranks share: they add up the sums of norm_moments and of norm_gradient_sums before the
  // operator that follows.
  m.def("norm_moments(Tensor images) -> Tensor");
  m.def(
      "norm_fold_moments(Tensor moments, Tensor gamma, Tensor beta, Tensor? channels, Tensor(a!) running_mean, "
      "Tensor(b!) running_var, Tensor(c!) batches_tracked, float momentum, float eps) -> (Tensor, Tensor, Tensor, "
      "Tensor)");
  m.def(
      "norm_gradient_sums(Tensor images, Tensor mean, Tensor inverse_std, Tensor scale, Tensor shift, Tensor? output, "
      "bool relu, Tensor gradient) -> (Tensor, Tensor, Tensor)");
  m.def(
      "norm_gradients(Tensor images, Tensor mean, Tensor inverse_std, Tensor scale, Tensor shift, Tensor? output, bool "
      "relu, bool shortcut, Tensor gradient, Tensor? beside, Tensor sums) -> (Tensor, Tensor)");
  m.def("take_channels(Tensor images, Tensor channels) -> Tensor");
  m.def("put_channels(Tensor gradient, Tensor channels, int width, Tensor? beside) -> Tensor");
}

namespace earlybird {
namespace {

using at::Tensor;
using Optional = std::optional<Tensor>;
using Four = std::tuple<Tensor, Tensor, Tensor, Tensor>;
using Five = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;

/// Throws unless the operator's schema fits `Signature`.
template <class Signature>
c10::TypedOperatorHandle<Signature> operator_of(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

Optional optional(const Tensor& tensor) { return tensor.defined() ? Optional(tensor) : std::nullopt; }

}  // namespace

Tensor crop_flip(const Tensor& images, const Tensor& order, const Tensor& place, int64_t size, int64_t padding,
                 bool flip) {
  static const auto op =
      operator_of<Tensor(const Tensor&, const Tensor&, const Tensor&, int64_t, int64_t, bool)>("earlybird::crop_flip");
  return op.call(images, order, place, size, padding, flip);
}

Tensor pixels_to_input(const Tensor& pixels, const Tensor& table) {
  static const auto op = operator_of<Tensor(const Tensor&, const Tensor&)>("earlybird::pixels_to_input");
  return op.call(pixels, table);
}

Tensor crop_flip_to_input(const Tensor& images, const Tensor& order, const Tensor& place, const Tensor& table,
                          int64_t size, int64_t padding, bool flip, bool bf16) {
  static const auto op =
      operator_of<Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&, int64_t, int64_t, bool, bool)>(
          "earlybird::crop_flip_to_input");
  return op.call(images, order, place, table, size, padding, flip, bf16);
}

Tensor next_labels(const Tensor& labels, const Tensor& order, Tensor& place, int64_t size) {
  static const auto op = operator_of<Tensor(const Tensor&, const Tensor&, Tensor&, int64_t)>("earlybird::next_labels");
  return op.call(labels, order, place, size);
}

Tensor cross_entropy_step(const Tensor& logits, const Tensor& labels, Tensor& sums, double share) {
  static const auto op =
      operator_of<Tensor(const Tensor&, const Tensor&, Tensor&, double)>("earlybird::cross_entropy_step");
  return op.call(logits, labels, sums, share);
}

Tensor mask_bits(const Tensor& magnitude, const Tensor& pool, at::IntArrayRef positions, const Tensor& kept_above) {
  static const auto op =
      operator_of<Tensor(const Tensor&, const Tensor&, at::IntArrayRef, const Optional&)>("earlybird::mask_bits");
  return op.call(magnitude, pool, positions, optional(kept_above));
}

void block_quantize_out(const Tensor& values, int64_t bits, int64_t dim, bool nearest, bool swalp, int64_t seed,
                        int64_t lane, const Tensor& position, const Tensor& faults, Tensor& out) {
  static const auto op = operator_of<void(const Tensor&, int64_t, int64_t, bool, bool, int64_t, int64_t,
                                          const Optional&, const Optional&, Tensor)>("earlybird::block_quantize_out");
  op.call(values, bits, dim, nearest, swalp, seed, lane, optional(position), optional(faults), out);
}

void mx_round_out(const Tensor& values, int64_t format, int64_t scale, int64_t rounding, int64_t length, int64_t inner,
                  int64_t seed, int64_t lane, const Tensor& position, const Tensor& faults, Tensor& out) {
  static const auto op = operator_of<void(const Tensor&, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                                          const Optional&, const Optional&, Tensor)>("earlybird::mx_round_out");
  op.call(values, format, scale, rounding, length, inner, seed, lane, optional(position), optional(faults), out);
}

void sgd_step(at::TensorList parameters, at::TensorList gradients, at::TensorList momentum, at::IntArrayRef is_gamma,
              const Tensor& lr, double momentum_factor, double weight_decay, double l1, at::IntArrayRef bits,
              bool nearest, bool swalp, int64_t seed, const Tensor& position, const Tensor& faults) {
  static const auto op =
      operator_of<void(at::TensorList, at::TensorList, at::TensorList, at::IntArrayRef, const Tensor&, double, double,
                       double, at::IntArrayRef, bool, bool, int64_t, const Optional&, const Optional&)>(
          "earlybird::sgd_step");
  op.call(parameters, gradients, momentum, is_gamma, lr, momentum_factor, weight_decay, l1, bits, nearest, swalp, seed,
          optional(position), optional(faults));
}

Four norm_fold_batch(const Tensor& images, const Tensor& gamma, const Tensor& beta, const Tensor& channels,
                     const Tensor& running_mean, const Tensor& running_var, const Tensor& batches_tracked,
                     double momentum, double eps) {
  static const auto op = operator_of<Four(const Tensor&, const Tensor&, const Tensor&, const Optional&, Tensor, Tensor,
                                          Tensor, double, double)>("earlybird::norm_fold_batch");
  return op.call(images, gamma, beta, optional(channels), running_mean, running_var, batches_tracked, momentum, eps);
}

Five norm_fold_selected(const Tensor& images, const Tensor& gamma, const Tensor& beta, const Tensor& channels,
                        const Tensor& running_mean, const Tensor& running_var, const Tensor& batches_tracked,
                        double momentum, double eps) {
  static const auto op = operator_of<Five(const Tensor&, const Tensor&, const Tensor&, const Tensor&, Tensor, Tensor,
                                          Tensor, double, double)>("earlybird::norm_fold_selected");
  return op.call(images, gamma, beta, channels, running_mean, running_var, batches_tracked, momentum, eps);
}

std::tuple<Tensor, Tensor> norm_fold_running(const Tensor& gamma, const Tensor& beta, const Tensor& channels,
                                             const Tensor& running_mean, const Tensor& running_var, double eps) {
  static const auto op =
      operator_of<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Optional&, const Tensor&,
                                             const Tensor&, double)>("earlybird::norm_fold_running");
  return op.call(gamma, beta, optional(channels), running_mean, running_var, eps);
}

Tensor norm_apply(const Tensor& images, const Tensor& scale, const Tensor& shift, const Tensor& shortcut, bool relu) {
  static const auto op =
      operator_of<Tensor(const Tensor&, const Tensor&, const Tensor&, const Optional&, bool)>("earlybird::norm_apply");
  return op.call(images, scale, shift, optional(shortcut), relu);
}

Four norm_backward(const Tensor& images, const Tensor& mean, const Tensor& inverse_std, const Tensor& scale,
                   const Tensor& shift, const Tensor& output, bool relu, bool shortcut, const Tensor& gradient,
                   const Tensor& beside) {
  static const auto op =
      operator_of<Four(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Optional&, bool,
                       bool, const Tensor&, const Optional&)>("earlybird::norm_backward");
  return op.call(images, mean, inverse_std, scale, shift, optional(output), relu, shortcut, gradient, optional(beside));
}

std::tuple<Tensor, Tensor, Tensor> norm_backward_selected(const Tensor& images, const Tensor& mean,
                                                          const Tensor& inverse_std, const Tensor& scale,
                                                          const Tensor& shift, bool relu, const Tensor& gradient,
                                                          const Tensor& channels, int64_t width, const Tensor& beside) {
  static const auto op = operator_of<std::tuple<Tensor, Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, bool, const Tensor&, const Tensor&,
      int64_t, const Optional&)>("earlybird::norm_backward_selected");
  return op.call(images, mean, inverse_std, scale, shift, relu, gradient, channels, width, optional(beside));
}

Tensor norm_moments(const Tensor& images) {
  static const auto op = operator_of<Tensor(const Tensor&)>("earlybird::norm_moments");
  return op.call(images);
}

Four norm_fold_moments(const Tensor& moments, const Tensor& gamma, const Tensor& beta, const Tensor& channels,
                       const Tensor& running_mean, const Tensor& running_var, const Tensor& batches_tracked,
                       double momentum, double eps) {
  static const auto op = operator_of<Four(const Tensor&, const Tensor&, const Tensor&, const Optional&, Tensor, Tensor,
                                          Tensor, double, double)>("earlybird::norm_fold_moments");
  return op.call(moments, gamma, beta, optional(channels), running_mean, running_var, batches_tracked, momentum, eps);
}

std::tuple<Tensor, Tensor, Tensor> norm_gradient_sums(const Tensor& images, const Tensor& mean,
                                                      const Tensor& inverse_std, const Tensor& scale,
                                                      const Tensor& shift, const Tensor& output, bool relu,
                                                      const Tensor& gradient) {
  static const auto op = operator_of<std::tuple<Tensor, Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Optional&, bool, const Tensor&)>(
      "earlybird::norm_gradient_sums");
  return op.call(images, mean, inverse_std, scale, shift, optional(output), relu, gradient);
}

std::tuple<Tensor, Tensor> norm_gradients(const Tensor& images, const Tensor& mean, const Tensor& inverse_std,
                                          const Tensor& scale, const Tensor& shift, const Tensor& output, bool relu,
                                          bool shortcut, const Tensor& gradient, const Tensor& beside,
                                          const Tensor& sums) {
  static const auto op = operator_of<std::tuple<Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Optional&, bool, bool,
      const Tensor&, const Optional&, const Tensor&)>("earlybird::norm_gradients");
  return op.call(images, mean, inverse_std, scale, shift, optional(output), relu, shortcut, gradient, optional(beside),
                 sums);
}

Tensor take_channels(const Tensor& images, const Tensor& channels) {
  static const auto op = operator_of<Tensor(const Tensor&, const Tensor&)>("earlybird::take_channels");
  return op.call(images, channels);
}

Tensor put_channels(const Tensor& gradient, const Tensor& channels, int64_t width, const Tensor& beside) {
  static const auto op =
      operator_of<Tensor(const Tensor&, const Tensor&, int64_t, const Optional&)>("earlybird::put_channels");
  return op.call(gradient, channels, width, optional(beside));
}

}  // namespace earlybird
