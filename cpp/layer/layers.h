#pragma once

#include <torch/nn.h>

#include "layer/channel_select.h"

namespace earlybird {

// Layers by the fastest way there is on this device for these shapes. They give what the module's own forward() gives,
// to rounding: float32, or bfloat16 under autocast.

/// Quantised under a QuantizeGuard.
at::Tensor convolve(torch::nn::Conv2d& conv, const at::Tensor& images);

/// Never quantised: the last layer stays in full precision.
at::Tensor project(torch::nn::Linear& linear, const at::Tensor& features);

/// While one lives, BN layers of this thread run by LibTorch's operators: the slow twin, for tests and comparisons.
class PlainNormsGuard {
 public:
  PlainNormsGuard();
  ~PlainNormsGuard();
  PlainNormsGuard(const PlainNormsGuard&) = delete;
  PlainNormsGuard& operator=(const PlainNormsGuard&) = delete;

 private:
  bool before_;
};

/// BatchNorm and ReLU.
at::Tensor normalise_relu(torch::nn::BatchNorm2d& norm, const at::Tensor& images);

/// BatchNorm, channel selection and ReLU. Only the channels that are selected are computed; the running statistics of
/// the others stay as they are. `images` is replaced by itself: a shortcut that reads it afterwards leaves the sum of
/// the two gradients to the pass that makes the first.
at::Tensor normalise_select_relu(torch::nn::BatchNorm2d& norm, ChannelSelect& select, at::Tensor& images);

/// BatchNorm alone.
at::Tensor normalise(torch::nn::BatchNorm2d& norm, const at::Tensor& images);

/// ReLU of BatchNorm plus a shortcut.
at::Tensor normalise_add_relu(torch::nn::BatchNorm2d& norm, const at::Tensor& images, const at::Tensor& shortcut);

}  // namespace earlybird
