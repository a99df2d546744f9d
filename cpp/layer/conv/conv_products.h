#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>

#include "layer/conv/norm_relu.h"
#include "quant/quantized_layer.h"

namespace earlybird {

/// The three products of a convolution without bias (ConvProduct), by one implementation.
struct ConvProducts {
  enum class By { kLibrary, kWinograd, kPacked, kWholeImage, kInteger };

  By by = By::kLibrary;
  /// Type of images and their gradients: float32 or bfloat16. Weights and their gradients are float32.
  at::ScalarType dtype = at::kFloat;
  /// Type in which the library multiplies; float32 where it would emulate the products of bfloat16.
  at::ScalarType multiplied = at::kFloat;
  std::array<int64_t, 2> stride{1, 1}, padding{0, 0}, dilation{1, 1};
  int64_t groups = 1;
  /// True to give the library only the pixels that its stride would read, and stride 1.
  bool picks = false;

  /// Types in which a product takes its operands: images or gradients, and weights.
  at::ScalarType images_dtype() const { return by == By::kLibrary ? multiplied : dtype; }
  at::ScalarType weight_dtype() const { return by == By::kLibrary ? multiplied : at::kFloat; }

  /// True where the kernel can normalise the images while it reads them.
  bool normalises() const { return by == By::kPacked || by == By::kWinograd || by == By::kInteger; }

  /// `norm` only where normalises(). `shortcut` is added where it is defined: channels_last, of type `dtype`.
  at::Tensor forward(const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm = {},
                     const at::Tensor& shortcut = {}) const;
  /// Only the shape of the last argument counts.
  at::Tensor images_gradient(const at::Tensor& gradient, const at::Tensor& weight, const at::Tensor& images) const;
  at::Tensor weight_gradient(const at::Tensor& images, const at::Tensor& gradient, const at::Tensor& weight,
                             const NormRelu& norm = {}) const;

 private:
  at::Tensor convolved(const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm) const;
  at::Tensor picked(const at::Tensor& images) const;
  at::Tensor library_gradient(const at::Tensor& gradient, const at::Tensor& images, const at::Tensor& weight,
                              bool of_images) const;
  std::array<int64_t, 2> library_stride() const;
};

/// The pixels of images that a 1x1 convolution of a stride reads, channels_last. Differentiable.
at::Tensor pixels_of_stride(const at::Tensor& images, const std::array<int64_t, 2>& stride);

/// The convolution, differentiable. With `rounding` every product has operands of its own, rounded anew from `images`,
/// `weight` and the gradient of the output.
at::Tensor convolve_with(const ConvProducts& products, const at::Tensor& images, const at::Tensor& weight,
                         const std::optional<OperandRounding>& rounding = {});

}  // namespace earlybird
