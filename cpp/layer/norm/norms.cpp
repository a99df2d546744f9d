#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>
#include <c10/core/DispatchKeySet.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <utility>

#include "core/error.h"
#include "core/ops.h"
#include "core/shared_norms.h"
#include "layer/conv/conv_products.h"
#include "layer/conv/pointwise.h"
#include "layer/layers.h"
#include "layer/norm/fused_norm.h"

namespace earlybird {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

thread_local bool plain_norms = false;

/// The steps around a BN layer: selection before it (never with a shortcut), shortcut and ReLU after it; or ReLU, a
/// convolution and the shortcut.
struct Around {
  const ChannelSelectImpl* select = nullptr;  // all channels where absent
  at::Tensor shortcut = {};
  bool relu = false;
  std::optional<NormReader> reader = {};

  at::Tensor weight() const { return reader ? reader->weight : at::Tensor(); }
};

/// What follows a layer in its autograd function: its own result, or that of the convolution that reads it.
struct Rest : torch::CustomClassHolder {
  Rest(bool relu_, const std::optional<ConvProducts>& reader_) : relu(relu_), reader(reader_) {}

  at::Tensor result(const at::Tensor& images, const fused_norm::Folded& folded, const at::Tensor& shortcut,
                    const at::Tensor& weight) const {
    if (reader) return reader->forward(images, weight, {folded.scale, folded.shift}, shortcut);
    return fused_norm::apply(images, folded, shortcut, relu);
  }

  /// The gradients of layer and weight from that of the result. `write` is empty where that of the layer has been
  /// written.
  pointwise::Pieces gradients(const at::Tensor& gradient, const fused_norm::Context& layer,
                              const at::Tensor& weight) const {
    if (!reader) return {gradient, {}, [] { return at::Tensor(); }};
    const NormRelu norm{layer.folded.scale, layer.folded.shift};
    if (reader->by == ConvProducts::By::kPacked && !shared_norms() && fused_norm::can_write_in_pieces(layer.images))
      return pointwise::gradients_in_pieces(gradient, layer.images, weight, norm);
    const at::Tensor of_weight = reader->weight_gradient(layer.images, gradient, weight, norm);
    return {reader->images_gradient(gradient, weight, layer.images), {}, [of_weight] { return of_weight; }};
  }

  bool relu;
  std::optional<ConvProducts> reader;
};

at::Tensor taken(const at::Tensor& of_channels, const at::Tensor& channels) {
  return channels.defined() ? of_channels.index_select(0, channels) : of_channels;
}

/// Casts a gradient to the images' type and layout; usually a no-op.
at::Tensor prepared(const at::Tensor& gradient, const at::Tensor& images) {
  if (!gradient.defined()) return gradient;
  const at::Tensor typed =
      gradient.scalar_type() == images.scalar_type() ? gradient : gradient.to(images.scalar_type());
  return typed.contiguous(at::MemoryFormat::ChannelsLast);
}

/// Training mode, by the fused kernels. Returns the result, and the images again: gradients of the second are added in
/// the same pass. Gradients: images, gamma, beta, shortcut, weight.
template <class Self>
struct WholeNorm : torch::autograd::Function<Self> {
  static variable_list forward(AutogradContext* context, const at::Tensor& images, const at::Tensor&, const at::Tensor&,
                               const std::optional<at::Tensor>& added, const std::optional<at::Tensor>& weight,
                               const fused_norm::Layer& layer, const c10::intrusive_ptr<Rest>& rest) {
    RECORD_FUNCTION(rest->reader ? "NormConvolution" : "FusedNorm", c10::ArrayRef<const c10::IValue>{});
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const at::Tensor shortcut = added.value_or(at::Tensor()), reads = weight.value_or(at::Tensor());
    const auto folded = fused_norm::fold_batch(images, layer);
    const at::Tensor out = rest->result(images, folded, shortcut, reads);
    context->set_materialize_grads(false);  // the returned images may have no reader, and then no gradient
    const bool added_before = shortcut.defined() && !rest->reader, needs_output = rest->relu && added_before;
    context->save_for_backward({images, folded.mean, folded.inverse_std, folded.scale, folded.shift,
                                needs_output ? out : at::Tensor(), reads});
    context->saved_data["rest"] = c10::IValue::make_capsule(rest);
    context->saved_data["shortcut"] = added_before;
    context->saved_data["added behind"] = shortcut.defined() && rest->reader;
    return {out, images};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    at::NoGradGuard no_grad;
    if (!gradients[0].defined()) return {gradients[1], {}, {}, {}, {}, {}, {}};
    const variable_list saved = context->get_saved_variables();
    const auto rest = c10::static_intrusive_pointer_cast<Rest>(context->saved_data["rest"].toCapsule());
    const fused_norm::Context what{saved[0],
                                   {saved[1], saved[2], saved[3], saved[4]},
                                   saved[5],
                                   rest->relu,
                                   context->saved_data["shortcut"].toBool()};
    const at::Tensor gradient = prepared(gradients[0], saved[0]), beside = prepared(gradients[1], saved[0]);
    const auto [of_layer, write, of_weight] = rest->gradients(gradient, what, saved[6]);
    const fused_norm::Gradients out = write ? fused_norm::backward_writing(what, of_layer, write, {}, 0, beside)
                                            : fused_norm::backward(what, of_layer, beside);
    const bool behind = context->saved_data["added behind"].toBool();
    return {out.images, out.gamma, out.beta, behind ? gradients[0] : out.shortcut, of_weight(), {}, {}};
  }
};

/// The same for the selected channels of the images. Gradients: images, gamma, beta, weight.
template <class Self>
struct ChannelsNorm : torch::autograd::Function<Self> {
  static variable_list forward(AutogradContext* context, const at::Tensor& images, const at::Tensor&, const at::Tensor&,
                               const std::optional<at::Tensor>& weight, const fused_norm::Layer& layer,
                               const c10::intrusive_ptr<Rest>& rest) {
    RECORD_FUNCTION(rest->reader ? "SelectedNormConvolution" : "SelectedNorm", c10::ArrayRef<const c10::IValue>{});
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const auto [taken, folded] = fused_norm::fold_selected(images, layer);
    const at::Tensor reads = weight.value_or(at::Tensor());
    const at::Tensor out = rest->result(taken, folded, {}, reads);
    context->set_materialize_grads(false);
    context->save_for_backward(
        {taken, folded.mean, folded.inverse_std, folded.scale, folded.shift, layer.channels, reads});
    context->saved_data["rest"] = c10::IValue::make_capsule(rest);
    context->saved_data["width"] = images.size(1);
    return {out, images};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    at::NoGradGuard no_grad;
    if (!gradients[0].defined()) return {gradients[1], {}, {}, {}, {}, {}};
    const variable_list saved = context->get_saved_variables();
    const auto rest = c10::static_intrusive_pointer_cast<Rest>(context->saved_data["rest"].toCapsule());
    const fused_norm::Context what{saved[0], {saved[1], saved[2], saved[3], saved[4]}, {}, rest->relu};
    const at::Tensor gradient = prepared(gradients[0], saved[0]), beside = prepared(gradients[1], saved[0]);
    const int64_t width = context->saved_data["width"].toInt();
    const auto [of_layer, write, of_weight] = rest->gradients(gradient, what, saved[6]);
    const fused_norm::Gradients out = write
                                          ? fused_norm::backward_writing(what, of_layer, write, saved[5], width, beside)
                                          : fused_norm::backward_selected(what, of_layer, saved[5], width, beside);
    return {out.images, out.gamma, out.beta, of_weight(), {}, {}};
  }
};

// A profile shows these names for both passes: normalisation alone, or with the convolution behind it.
struct FusedNorm : WholeNorm<FusedNorm> {};
struct NormConvolution : WholeNorm<NormConvolution> {};
struct SelectedNorm : ChannelsNorm<SelectedNorm> {};
struct SelectedNormConvolution : ChannelsNorm<SelectedNormConvolution> {};

/// The layer with LibTorch's operators.
at::Tensor plain(torch::nn::BatchNorm2dImpl& norm, const at::Tensor& images, const Around& around) {
  const at::Tensor channels = around.select ? around.select->channels() : at::Tensor();
  const at::Tensor mean = taken(norm.running_mean, channels), variance = taken(norm.running_var, channels);
  at::Tensor out = at::batch_norm(around.select ? around.select->forward(images) : images, taken(norm.weight, channels),
                                  taken(norm.bias, channels), mean, variance, norm.is_training(),
                                  *norm.options.momentum(), norm.options.eps(), at::globalContext().userEnabledCuDNN());
  if (norm.is_training()) {
    at::NoGradGuard no_grad;
    if (around.select) {
      norm.running_mean.index_copy_(0, channels, mean);
      norm.running_var.index_copy_(0, channels, variance);
    }
    norm.num_batches_tracked.add_(1);
  }
  if (around.shortcut.defined() && !around.reader) out = out.add_(around.shortcut);
  if (around.relu) out = out.relu_();
  if (!around.reader) return out;
  out = convolve_with(around.reader->products, out, around.reader->weight);
  return around.shortcut.defined() ? out.add_(around.shortcut) : out;
}

struct Result {
  at::Tensor out, images;  // a shortcut should read these images
};

Result run(torch::nn::BatchNorm2d& norm, const at::Tensor& images, Around around) {
  if (around.select && around.select->selects_all()) around.select = nullptr;
  const bool train = norm->is_training();
  // An empty batch passes: the other ranks have images.
  const int64_t count = shared_norms() ? shared_norms()->step_images : images.size(0);
  if (train && count * images.size(2) * images.size(3) == 1)
    throw Error("ERR_SHAPE", "BatchNorm cannot train on one value a channel: use larger batches or images.");
  const auto type = images.scalar_type();
  const bool fits = !plain_norms && (images.is_cpu() || images.is_cuda()) &&
                    (type == at::kFloat || type == at::kBFloat16) &&
                    (!around.shortcut.defined() || around.shortcut.scalar_type() == type);
  // The fused kernels have no gradients through running statistics.
  if (!fits || (!train && at::GradMode::is_enabled())) return {plain(*norm, images, around), images};

  const at::Tensor channels = around.select ? around.select->channels() : at::Tensor();
  const at::Tensor pixels = images.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor shortcut =
      around.shortcut.defined() ? around.shortcut.contiguous(at::MemoryFormat::ChannelsLast) : at::Tensor();
  const fused_norm::Layer layer{norm->weight,
                                norm->bias,
                                channels,
                                norm->running_mean,
                                norm->running_var,
                                norm->num_batches_tracked,
                                *norm->options.momentum(),
                                norm->options.eps()};
  const auto rest =
      c10::make_intrusive<Rest>(around.relu, around.reader ? std::optional(around.reader->products) : std::nullopt);
  if (!train) {
    const at::Tensor input = around.select ? take_channels(pixels, channels) : pixels;
    return {rest->result(input, fused_norm::fold_running(layer), shortcut, around.weight()), images};
  }
  const auto given = [](const at::Tensor& tensor) { return tensor.defined() ? std::optional(tensor) : std::nullopt; };
  const auto applied = [&](auto alone, auto with_convolution, const auto&... own) {
    const auto weight = given(around.weight());
    return weight ? decltype(with_convolution)::apply(pixels, norm->weight, norm->bias, own..., weight, layer, rest)
                  : decltype(alone)::apply(pixels, norm->weight, norm->bias, own..., weight, layer, rest);
  };
  const variable_list out = around.select ? applied(SelectedNorm(), SelectedNormConvolution())
                                          : applied(FusedNorm(), NormConvolution(), given(shortcut));
  return {out[0], out[1]};
}

}  // namespace

bool has_plain_norms() { return plain_norms; }

PlainNormsGuard::PlainNormsGuard() : before_(std::exchange(plain_norms, true)) {}
PlainNormsGuard::~PlainNormsGuard() { plain_norms = before_; }

at::Tensor normalise(torch::nn::BatchNorm2d& norm, const at::Tensor& images) { return run(norm, images, {}).out; }

at::Tensor normalise_relu(torch::nn::BatchNorm2d& norm, const at::Tensor& images) {
  return run(norm, images, {.relu = true}).out;
}

at::Tensor normalise_add_relu(torch::nn::BatchNorm2d& norm, const at::Tensor& images, const at::Tensor& shortcut) {
  return run(norm, images, {.shortcut = shortcut, .relu = true}).out;
}

at::Tensor normalise_select_relu(torch::nn::BatchNorm2d& norm, ChannelSelect& select, at::Tensor& images) {
  auto [out, same] = run(norm, images, {.select = select.get(), .relu = true});
  images = same;
  return out;
}

at::Tensor normalise_read(torch::nn::BatchNorm2d& norm, const at::Tensor& images, const NormReader& reader,
                          const at::Tensor& shortcut) {
  return run(norm, images, {.shortcut = shortcut, .relu = true, .reader = reader}).out;
}

at::Tensor normalise_select_read(torch::nn::BatchNorm2d& norm, ChannelSelect& select, at::Tensor& images,
                                 const NormReader& reader) {
  auto [out, same] = run(norm, images, {.select = select.get(), .relu = true, .reader = reader});
  images = same;
  return out;
}

}  // namespace earlybird
