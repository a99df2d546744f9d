#include "layer/layers.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <array>
#include <utility>

#include "core/device.h"
#include "quant/quantized_layer.h"

namespace earlybird {
namespace {

thread_local bool plain_convolutions = false;
thread_local const InputObserver::Observe* observer = nullptr;

bool is(const torch::ExpandingArray<2>& pair, int64_t value) { return (*pair)[0] == value && (*pair)[1] == value; }

/// True for a convolution with several implementations: stride 1, padding that keeps the size of the image, no bias.
bool is_plain(const torch::nn::detail::ConvNdOptions<2>& options, int64_t kernel) {
  const auto* padding = std::get_if<torch::ExpandingArray<2>>(&options.padding());
  return is(options.kernel_size(), kernel) && is(options.stride(), 1) && is(options.dilation(), 1) &&
         options.groups() == 1 && !options.bias() && padding && is(*padding, kernel / 2);
}

ConvProducts::By implementation(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kWinograd:
      return ConvProducts::By::kWinograd;
    case Algorithm::kPacked:
      return ConvProducts::By::kPacked;
    case Algorithm::kInteger:
      return ConvProducts::By::kInteger;
    default:
      return ConvProducts::By::kLibrary;
  }
}

/// The arithmetic of a layer, which depends on the device of its input.
enum class Arithmetic {
  kLibrary,  // LibTorch's: any GPU, and bfloat16 on a processor that multiplies it
  kFloat,    // float32 on the CPU
  kRounded,  // bfloat16 on another CPU: float32 arithmetic on rounded operands. LibTorch and oneDNN would emulate the
             // multiplication, twenty times slower.
};

Arithmetic arithmetic_for(const at::Tensor& input) {
  if (!input.is_cpu()) return Arithmetic::kLibrary;
  if (!at::autocast::is_autocast_enabled(at::kCPU)) return Arithmetic::kFloat;
  return has_bf16() ? Arithmetic::kLibrary : Arithmetic::kRounded;
}

at::Tensor rounded(const at::Tensor& tensor) { return tensor.to(at::kBFloat16).to(at::kFloat); }

/// LibTorch's convolution.
at::Tensor direct(const at::Tensor& images, const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                  at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
  if (arithmetic_for(images) != Arithmetic::kRounded)
    return at::conv2d(images, weight, bias, stride, padding, dilation, groups);
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastCPU);
  return at::conv2d(rounded(images), rounded(weight), bias, stride, padding, dilation, groups).to(at::kBFloat16);
}

/// oneDNN does not compute the gradient of these weights safely (its issue 6035).
bool is_unsafe(const torch::nn::detail::ConvNdOptions<2>& options) {
  const auto* padding = std::get_if<torch::ExpandingArray<2>>(&options.padding());
  return is(options.kernel_size(), 1) && !is(options.stride(), 1) && padding && is(*padding, 0) &&
         options.groups() == 1 && options.in_channels() < 16;
}

/// Chooses the implementation of a layer's products: one of ours, or LibTorch's.
ConvProducts products_for(const torch::nn::detail::ConvNdOptions<2>& options, const at::Tensor& images) {
  const Arithmetic arithmetic = arithmetic_for(images);
  const bool bf16 = at::autocast::is_autocast_enabled(images.device().type());
  const at::ScalarType dtype = bf16 ? at::kBFloat16 : at::kFloat;
  ConvProducts out{.dtype = dtype, .multiplied = arithmetic == Arithmetic::kRounded ? at::kFloat : dtype};
  const auto pair = [](const torch::ExpandingArray<2>& of) { return std::array{(*of)[0], (*of)[1]}; };
  out.stride = pair(options.stride()), out.dilation = pair(options.dilation()), out.groups = options.groups();
  out.padding = pair(std::get<torch::ExpandingArray<2>>(options.padding()));
  const bool plain_3x3 = is_plain(options, 3);
  if (!images.is_cpu() || !(plain_3x3 || is_plain(options, 1))) return out;
  const int64_t in = options.in_channels(), channels = options.out_channels(), height = images.size(2),
                width = images.size(3);
  constexpr int64_t kFewest = 32;  // channels; with fewer, products of whole images are too narrow to be fast
  if (plain_3x3 && height == 2 && width == 2 && arithmetic != Arithmetic::kLibrary && std::min(in, channels) >= kFewest)
    out.by = ConvProducts::By::kWholeImage;
  else
    out.by = implementation(algorithm_for({dtype, plain_3x3 ? 3 : 1, in, channels, std::min(height, width)}));
  return out;
}

/// Returns a new tensor.
at::Tensor convolved(torch::nn::Conv2d& conv, const at::Tensor& images) {
  const auto& options = conv->options;
  const bool unsafe = images.is_cpu() && is_unsafe(options);
  if (!plain_convolutions) {
    ConvProducts products = products_for(options, images);
    products.picks = unsafe;
    const std::optional<OperandRounding> rounding = operand_rounding(conv.get());
    // Rounded operands are multiplied as they are: integers would round them once more.
    if (rounding && products.by == ConvProducts::By::kInteger) products.by = ConvProducts::By::kWinograd;
    if (rounding || products.by != ConvProducts::By::kLibrary) {
      const at::Tensor out = convolve_with(products, images.to(products.dtype), conv->weight, rounding);
      return conv->bias.defined() ? out + conv->bias.to(products.dtype).view({1, -1, 1, 1}) : out;
    }
  }
  if (unsafe) {
    const at::Tensor pixels = pixels_of_stride(images, {options.stride()->at(0), options.stride()->at(1)});
    return direct(pixels, conv->weight, conv->bias, {1, 1}, {0, 0}, {1, 1}, 1);
  }
  return direct(images, conv->weight, conv->bias, *options.stride(),
                *std::get<torch::ExpandingArray<2>>(options.padding()), *options.dilation(), options.groups());
}

/// The layer as the reader of a BN layer with these images; nullopt where its kernel cannot normalise, or where
/// something observes or rounds what it multiplies.
std::optional<NormReader> reader_of(torch::nn::Conv2d& conv, const at::Tensor& images) {
  if (plain_convolutions || observer || operand_rounding(conv.get())) return std::nullopt;
  const ConvProducts products = products_for(conv->options, images);
  if (!products.normalises() || products.dtype != images.scalar_type()) return std::nullopt;
  return NormReader{conv->weight, products};
}

}  // namespace

PlainLayersGuard::PlainLayersGuard() : before_(std::exchange(plain_convolutions, true)) {}
PlainLayersGuard::~PlainLayersGuard() { plain_convolutions = before_; }

InputObserver::InputObserver(Observe observe)
    : observe_(std::move(observe)), before_(std::exchange(observer, &observe_)) {}
InputObserver::~InputObserver() { observer = before_; }

at::Tensor convolve_by(Algorithm algorithm, const at::Tensor& images, const at::Tensor& weight,
                       torch::nn::BatchNorm2d* norm) {
  if (algorithm == Algorithm::kDirect) {
    const int64_t padding = weight.size(2) / 2;
    return direct(norm ? normalise_relu(*norm, images) : images, weight, {}, {1, 1}, {padding, padding}, {1, 1}, 1);
  }
  const ConvProducts products{.by = implementation(algorithm), .dtype = images.scalar_type()};
  return norm ? normalise_read(*norm, images, {weight, products}) : convolve_with(products, images, weight);
}

at::Tensor convolve(torch::nn::Conv2d& conv, const at::Tensor& images) {
  if (observer) {
    const auto& options = conv->options;
    (*observer)(
        {conv->weight, images, options.stride()->at(0), std::get<torch::ExpandingArray<2>>(options.padding())->at(0)});
  }
  return quantized(convolved(conv, images), conv.get());
}

at::Tensor normalise_convolve(torch::nn::BatchNorm2d& norm, torch::nn::Conv2d& conv, const at::Tensor& images,
                              const at::Tensor& shortcut) {
  const auto reader = reader_of(conv, images);
  // What is quantised is the output of the convolution, without the shortcut.
  const bool joins = !shortcut.defined() || shortcut.scalar_type() == images.scalar_type();
  if (reader && joins && !quantises()) return normalise_read(norm, images, *reader, shortcut);
  at::Tensor out = reader ? quantized(normalise_read(norm, images, *reader), conv.get())
                          : convolve(conv, normalise_relu(norm, images));
  return shortcut.defined() ? out.add_(shortcut) : out;
}

at::Tensor normalise_select_convolve(torch::nn::BatchNorm2d& norm, ChannelSelect& select, torch::nn::Conv2d& conv,
                                     at::Tensor& images) {
  const auto reader = reader_of(conv, images);
  if (!reader) return convolve(conv, normalise_select_relu(norm, select, images));
  return quantized(normalise_select_read(norm, select, images, *reader), conv.get());
}

at::Tensor project(torch::nn::Linear& linear, const at::Tensor& features) {
  if (observer) (*observer)({linear->weight, features});
  if (arithmetic_for(features) != Arithmetic::kRounded) return linear->forward(features);
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastCPU);
  return at::linear(rounded(features), rounded(linear->weight), rounded(linear->bias)).to(at::kBFloat16);
}

}  // namespace earlybird
