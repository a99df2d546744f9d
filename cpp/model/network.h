#pragma once

#include <torch/nn.h>

#include <memory>
#include <utility>

#include "core/ranks.h"
#include "layer/conv/choice.h"
#include "model/model.h"

namespace earlybird {

/// A network. One file builds and describes each (vgg.cpp, preresnet.cpp, ...).
class Network : public torch::nn::Module {
 public:
  /// Logits (batch, classes) of normalised images (batch, channels, height, width), channels_last.
  virtual at::Tensor forward(const at::Tensor& images) = 0;

  /// Everything but `parameters` and `indexes`, which earlybird::describe() fills in.
  virtual ModelDescription describe() const = 0;

  /// The reference's initialisation, drawn from LibTorch's default CPU generator in the reference's order.
  virtual void initialise() = 0;

  /// Formats of outputs, errors and the optimiser; full precision where absent.
  std::optional<NumberFormats> formats;

  /// Ranks that train it together; null for this process alone.
  std::shared_ptr<Ranks> ranks;
  bool sync_norms = false;

  /// Implementations of its convolutions on the CPU, fixed by their first use or given by an earlier run.
  Kernels kernels;
};

/// The reference's rule for residual networks: convolutions N(0, sqrt(2 / (k * k * out))) in traversal order, gammas as
/// given, betas 0. Linear layers keep PyTorch's initialisation.
void initialise_residual(torch::nn::Module& network, double gamma);

/// (key, tensor) in PyTorch's state_dict order: own parameters, own buffers, then children. The tensors are the live
/// ones.
std::vector<std::pair<std::string, at::Tensor>> state_of(const torch::nn::Module& module);

}  // namespace earlybird
