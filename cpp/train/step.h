#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/low_precision.h"
#include "model/network.h"
#include "train/captured_work.h"
#include "train/pass_sums.h"
#include "train/trainer.h"

namespace earlybird {

/// The training step. It has no host read-back, no data-dependent branch and no storage replacement, and its learning
/// rate lives on the device, so that it can be captured as a CUDA graph.
struct Trainer::Step {
  Step(std::shared_ptr<Network> model, const TrainerOptions& chosen);

  /// Call it before the steps of an epoch that follow a position. Takes the formats that the network has now.
  void start(int64_t epoch, double rate, const PassPosition& from);

  /// Forward and backward; gradients are left in `parameters`, the batch is added to the sums.
  void gradients(const Batch& batch);

  /// L1 subgradient, then momentum SGD, all parameters at once; rounded as the network's formats say. Ends the step.
  void update();

  /// Rounds the weights of convolutions, for a network without a full-precision copy of them (OperandFormats).
  void round_weights();

  void forget_gradients();

  /// Rounds as the network says now. A captured step has its formats in its graph, so that it is captured anew.
  void follow_formats();

  /// The empty batch of a rank that has no image in a step; nullopt for this process alone.
  std::optional<Batch> idle_batch(const Dataset& dataset) const;

  /// All device tensors that a step changes.
  std::vector<at::Tensor> state() const;

  std::shared_ptr<Network> network;
  TrainerOptions options;
  std::vector<std::string> keys;
  std::vector<at::Tensor> parameters, momentum, gammas;
  std::vector<uint8_t> is_gamma;  // one entry a parameter
  int64_t classes = 0;
  at::Tensor lr;
  LowPrecision numbers;
  PassSums sums;
  CapturedWork captured;
  std::unique_ptr<GradientReduction> reduction;  // null for this process alone
  int64_t single_steps = 0;                      // steps outside epochs so far
};

}  // namespace earlybird
