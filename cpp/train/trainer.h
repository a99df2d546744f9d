#pragma once

#include <memory>
#include <optional>

#include "core/cancel.h"
#include "core/graph.h"
#include "core/host_tensor.h"
#include "data/dataset.h"
#include "train/pass_result.h"

namespace earlybird {

class Network;

struct TrainerOptions {
  double momentum = 0.9;
  double weight_decay = 1e-4;
  double l1 = 0;
  bool bf16 = false;
  uint64_t seed = 1;
  /// Makes the graphs that capture steps; empty: all are eager.
  GraphFactory graphs = {};
};

struct StepResult {
  double loss = 0;
  int64_t correct = 0;
  std::optional<HostState> gradients;
};

struct Snapshot {
  HostState state;
  HostState momentum;
};

/// SGD with momentum, weight decay on everything and an L1 subgradient on BN gammas (docs/reference.md#5), one epoch
/// at a time. Every method runs on the engine thread.
class Trainer {
 public:
  Trainer(std::shared_ptr<Network> network, const TrainerOptions& options);
  ~Trainer();

  /// Trains the epoch from a position on, for at most `most_steps` steps. The result covers all steps, those before the
  /// position included.
  PassResult epoch(Dataset& dataset, int64_t epoch, double lr, int64_t batch_size, int64_t most_steps,
                   const CancelToken& cancel, const ProgressCallback& progress, const PassPosition& from = {});

  /// The position at which the latest epoch() ended, also if it was cancelled; no step may have been done since. Throws
  /// ERR_NUMERIC where numbers or the loss are no longer finite.
  PassPosition position() const;

  /// One step outside of any epoch, on network input, float32 (B, C, H, W). The gradients are those before the L1 term.
  StepResult step(const HostTensor& images, const HostTensor& labels, double lr, bool gradients);

  /// Weights and momentum, copied to the host.
  Snapshot snapshot() const;

  void restore_momentum(const HostState& momentum);

  /// Gives every rank of the network the momentum of rank 0; does nothing without ranks.
  void share_momentum();

 private:
  struct Step;
  std::unique_ptr<Step> step_;
  PassPosition position_;
};

}  // namespace earlybird
