#pragma once

#include <torch/nn.h>

#include <memory>
#include <utility>

#include "model/model.h"

namespace earlybird {

/// A network: one file each builds it and describes it (vgg.cpp, preresnet.cpp, ...).
class Network : public torch::nn::Module {
 public:
  /// Logits (batch, classes) of normalised images (batch, channels, height, width), channels_last.
  virtual at::Tensor forward(const at::Tensor& images) = 0;

  /// Everything but `parameters` and `indexes`, which earlybird::describe() fills in.
  virtual ModelDescription describe() const = 0;

  /// The release's initialisation, drawn from LibTorch's default CPU generator in the release's order.
  virtual void initialise() = 0;

  /// Of outputs, errors, and what a trainer keeps; full precision where absent.
  std::optional<NumberFormats> formats;

  /// What evaluations keep for the next one (train/evaluate.cpp).
  std::shared_ptr<class Evaluation> evaluation;
};

/// The release's rule for residual networks: convolutions N(0, sqrt(2 / (k * k * out))) in traversal order, gammas as
/// given, betas 0. Linear layers keep PyTorch's own numbers.
void initialise_residual(torch::nn::Module& network, double gamma);

/// (key, tensor) in PyTorch's state_dict order: own parameters, own buffers, then children. The tensors are the live
/// ones.
std::vector<std::pair<std::string, at::Tensor>> state_of(const torch::nn::Module& module);

}  // namespace earlybird
