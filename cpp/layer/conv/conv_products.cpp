#include "layer/conv/conv_products.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/DispatchKeySet.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include "layer/conv/pointwise.h"
#include "layer/conv/whole_image.h"
#include "layer/conv/winograd.h"

namespace earlybird {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The passes of one of our implementations.
struct Passes {
  at::Tensor (*forward)(const at::Tensor&, const at::Tensor&, const NormRelu&);
  at::Tensor (*backward_images)(const at::Tensor&, const at::Tensor&);
  decltype(forward) backward_weight;
};

template <class Operands>
constexpr Passes kWinogradWith = {winograd::forward<Operands>, winograd::backward_images<Operands>,
                                  winograd::backward_weight<Operands>};

constexpr Passes kPasses[] = {
    {},
    kWinogradWith<winograd::InFloats>,
    {[](const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm) {
       return pointwise::forward(images, weight, norm);
     },
     pointwise::backward_images, pointwise::backward_weight},
    {[](const at::Tensor& images, const at::Tensor& weight, const NormRelu&) {
       return whole_image::forward(images, weight);
     },
     whole_image::backward_images,
     [](const at::Tensor& gradient, const at::Tensor& images, const NormRelu&) {
       return whole_image::backward_weight(gradient, images);
     }},
    kWinogradWith<winograd::InIntegers>,
};

const Passes& passes_of(ConvProducts::By by) { return kPasses[static_cast<int>(by)]; }

/// The values beside tensors that the backward pass needs.
struct Settings : torch::CustomClassHolder {
  Settings(const ConvProducts& given, const std::optional<OperandRounding>& how) : products(given), rounding(how) {}

  std::array<at::Tensor, 2> operands(ConvProduct product, const at::Tensor& first, const at::Tensor& second) const {
    const at::ScalarType images = products.images_dtype(),
                         last = product == ConvProduct::kWeightGradient ? images : products.weight_dtype();
    if (!rounding) return {first.to(images), second.to(last)};
    // The library multiplies values of `dtype`, also where it does so in float32.
    const at::ScalarType weight = products.by == ConvProducts::By::kLibrary ? products.dtype : last;
    const auto [rounded, other] = rounding->operands(product, first, second, products.groups, {products.dtype, weight});
    return {rounded.to(images), other.to(last)};
  }

  ConvProducts products;
  std::optional<OperandRounding> rounding;
};

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& images, const at::Tensor& weight,
                            const ConvProducts& products, const std::optional<OperandRounding>& rounding) {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const auto settings = c10::make_intrusive<Settings>(products, rounding);
    context->save_for_backward({images, weight});
    context->saved_data["settings"] = c10::IValue::make_capsule(settings);
    const auto [first, second] = settings->operands(ConvProduct::kForward, images, weight);
    return products.forward(first, second);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    at::NoGradGuard no_grad;
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &images = saved[0], &weight = saved[1], &error = gradients[0];
    const auto settings = c10::static_intrusive_pointer_cast<Settings>(context->saved_data["settings"].toCapsule());
    const ConvProducts& products = settings->products;
    variable_list out(4);
    if (context->needs_input_grad(0)) {
      const auto [first, second] = settings->operands(ConvProduct::kInputGradient, error, weight);
      out[0] = products.images_gradient(first, second, images);
    }
    if (context->needs_input_grad(1)) {
      const auto [first, second] = settings->operands(ConvProduct::kWeightGradient, images, error);
      out[1] = products.weight_gradient(first, second, weight);
    }
    return out;
  }
};

/// Returns a tensor of this shape and of `dtype`: LibTorch reads only the shape of such an operand, but checks its
/// type.
at::Tensor shape_of(const at::Tensor& tensor, at::ScalarType dtype) {
  return tensor.scalar_type() == dtype ? tensor : at::empty_like(tensor, tensor.options().dtype(dtype));
}

at::Tensor slice(const at::Tensor& images, const std::array<int64_t, 2>& stride) {
  return images.slice(2, 0, {}, stride[0]).slice(3, 0, {}, stride[1]);
}

}  // namespace

at::Tensor pixels_of_stride(const at::Tensor& images, const std::array<int64_t, 2>& stride) {
  return slice(images, stride).contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor ConvProducts::picked(const at::Tensor& images) const {
  return picks ? pixels_of_stride(images, stride) : images;
}

std::array<int64_t, 2> ConvProducts::library_stride() const { return picks ? std::array<int64_t, 2>{1, 1} : stride; }

at::Tensor ConvProducts::library_gradient(const at::Tensor& gradient, const at::Tensor& images,
                                          const at::Tensor& weight, bool of_images) const {
  const auto gradients =
      at::convolution_backward(gradient, images, weight, at::OptionalIntArrayRef(), library_stride(), padding, dilation,
                               /*transposed=*/false, {0, 0}, groups, {of_images, !of_images, false});
  return of_images ? std::get<0>(gradients) : std::get<1>(gradients);
}

at::Tensor ConvProducts::forward(const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm,
                                 const at::Tensor& shortcut) const {
  TORCH_INTERNAL_ASSERT(!norm.scale.defined() || normalises());
  if (by == By::kPacked) return pointwise::forward(images, weight, norm, shortcut);
  at::Tensor out = convolved(images, weight, norm);
  return shortcut.defined() ? out.add_(shortcut) : out;
}

at::Tensor ConvProducts::convolved(const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm) const {
  if (by != By::kLibrary) return passes_of(by).forward(images, weight, norm);
  return at::convolution(picked(images), weight, std::nullopt, library_stride(), padding, dilation,
                         /*transposed=*/false, {0, 0}, groups)
      .to(dtype);
}

at::Tensor ConvProducts::images_gradient(const at::Tensor& gradient, const at::Tensor& weight,
                                         const at::Tensor& images) const {
  if (by != By::kLibrary) return passes_of(by).backward_images(gradient, weight);
  const at::Tensor shape = shape_of(picked(images), multiplied);
  const at::Tensor result = library_gradient(gradient, shape, weight, true).to(dtype);
  if (!picks) return result;
  at::Tensor all = at::zeros_like(images, images.options().dtype(dtype));
  slice(all, stride).copy_(result);
  return all;
}

at::Tensor ConvProducts::weight_gradient(const at::Tensor& images, const at::Tensor& gradient, const at::Tensor& weight,
                                         const NormRelu& norm) const {
  if (by != By::kLibrary) return passes_of(by).backward_weight(gradient, images, norm);
  return library_gradient(gradient, picked(images), shape_of(weight, multiplied), false).to(at::kFloat);
}

at::Tensor convolve_with(const ConvProducts& products, const at::Tensor& images, const at::Tensor& weight,
                         const std::optional<OperandRounding>& rounding) {
  return Convolution::apply(images, weight, products, rounding);
}

}  // namespace earlybird
