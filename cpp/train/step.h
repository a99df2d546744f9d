#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "model/low_precision.h"
#include "model/network.h"
#include "train/meter.h"
#include "train/trainer.h"

namespace earlybird {

/// The training step. It holds no host read-back, no data-dependent branch and no storage replacement, and its learning
/// rate lives on the device, so that it can be captured as a CUDA graph.
struct Trainer::Step {
  Step(std::shared_ptr<Network> model, const TrainerOptions& chosen);

  void set_lr(double value);

  /// Forward and backward; gradients are left in `parameters`. Returns (mean loss, float logits).
  std::pair<at::Tensor, at::Tensor> gradients(const at::Tensor& images, const at::Tensor& labels);

  /// L1 subgradient, then momentum SGD, all parameters at once; rounded as the network's formats say. Ends the step.
  void update();

  std::shared_ptr<Network> network;
  TrainerOptions options;
  std::vector<std::string> keys;
  std::vector<at::Tensor> parameters, momentum, gammas;
  std::vector<uint8_t> is_gamma;  // of each parameter
  at::Tensor lr;
  LowPrecision numbers;
  int64_t single_steps = 0;  // outside epochs, so far
};

}  // namespace earlybird
