#pragma once

#include <torch/nn.h>

#include <functional>
#include <optional>

#include "layer/channel_select.h"
#include "layer/conv/choice.h"
#include "layer/conv/conv_products.h"

namespace earlybird {

// Layers by the fastest kernel for the device and the shapes. Up to rounding the results are those of the module's
// forward(): float32, or bfloat16 under autocast.

/// Quantises under a QuantizeGuard.
at::Tensor convolve(torch::nn::Conv2d& conv, const at::Tensor& images);

/// A convolution of stride 1 that keeps the size of images, without bias, by one implementation. `images` are float32,
/// or bfloat16 under autocast; `weight` is float32 (out, in, k, k). With `norm` the convolution of ReLU of BatchNorm,
/// as by normalise_convolve(). Differentiable.
at::Tensor convolve_by(Algorithm algorithm, const at::Tensor& images, const at::Tensor& weight,
                       torch::nn::BatchNorm2d* norm = nullptr);

/// Never quantises: the last layer stays in full precision.
at::Tensor project(torch::nn::Linear& linear, const at::Tensor& features);

/// While a guard lives, BN layers and channel selections of this thread use LibTorch's operators: the slow twin, for
/// tests and comparisons.
class PlainNormsGuard {
 public:
  PlainNormsGuard();
  ~PlainNormsGuard();
  PlainNormsGuard(const PlainNormsGuard&) = delete;
  PlainNormsGuard& operator=(const PlainNormsGuard&) = delete;

 private:
  bool before_;
};

bool has_plain_norms();

/// While a guard lives, BN layers and convolutions of this thread use LibTorch's operators, which can be differentiated
/// twice.
class PlainLayersGuard {
 public:
  PlainLayersGuard();
  ~PlainLayersGuard();
  PlainLayersGuard(const PlainLayersGuard&) = delete;
  PlainLayersGuard& operator=(const PlainLayersGuard&) = delete;

 private:
  PlainNormsGuard norms_;
  bool before_;
};

/// The operands of a convolution or a linear layer (stride 1, padding 0).
struct LayerInput {
  const at::Tensor& weight;
  const at::Tensor& input;
  int64_t stride = 1, padding = 0;
};

/// While an observer lives, it is told the input of every convolution and linear layer of this thread.
class InputObserver {
 public:
  using Observe = std::function<void(const LayerInput&)>;
  explicit InputObserver(Observe observe);
  ~InputObserver();
  InputObserver(const InputObserver&) = delete;
  InputObserver& operator=(const InputObserver&) = delete;

 private:
  Observe observe_;
  const Observe* before_;
};

/// BatchNorm and ReLU.
at::Tensor normalise_relu(torch::nn::BatchNorm2d& norm, const at::Tensor& images);

/// BatchNorm, channel selection and ReLU. Computes only the selected channels and leaves the running statistics of the
/// others. Replaces `images` by an equal tensor: if a shortcut reads that one, one pass makes and adds both gradients.
at::Tensor normalise_select_relu(torch::nn::BatchNorm2d& norm, ChannelSelect& select, at::Tensor& images);

/// The convolution of ReLU of BatchNorm, with the bits of both one after the other. A kernel of ours normalises the
/// images while it reads them, so that no tensor lies between the two; others run after the layer.
/// `shortcut` is added where it is defined.
at::Tensor normalise_convolve(torch::nn::BatchNorm2d& norm, torch::nn::Conv2d& conv, const at::Tensor& images,
                              const at::Tensor& shortcut = {});

/// The same behind a channel selection; see normalise_select_relu().
at::Tensor normalise_select_convolve(torch::nn::BatchNorm2d& norm, ChannelSelect& select, torch::nn::Conv2d& conv,
                                     at::Tensor& images);

/// A convolution behind BatchNorm and ReLU, by a kernel that can normalise.
struct NormReader {
  at::Tensor weight;
  ConvProducts products;
};

/// The result of the reader; see normalise_convolve().
at::Tensor normalise_read(torch::nn::BatchNorm2d& norm, const at::Tensor& images, const NormReader& reader,
                          const at::Tensor& shortcut = {});
at::Tensor normalise_select_read(torch::nn::BatchNorm2d& norm, ChannelSelect& select, at::Tensor& images,
                                 const NormReader& reader);

/// BatchNorm alone.
at::Tensor normalise(torch::nn::BatchNorm2d& norm, const at::Tensor& images);

/// ReLU of BatchNorm plus a shortcut.
at::Tensor normalise_add_relu(torch::nn::BatchNorm2d& norm, const at::Tensor& images, const at::Tensor& shortcut);

}  // namespace earlybird
