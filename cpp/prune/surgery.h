#pragma once

#include <memory>

#include "prune/plan.h"

namespace earlybird {

class Network;

struct Pruned {
  std::shared_ptr<Network> network;
  std::vector<PrunedLayer> layers;
  /// The mask that was applied, with revived channels and rounded widths.
  std::vector<uint8_t> mask;
  bool cuts_live_channels = false;
};

/// Removes the channels that `mask` drops from any network `dense`, by its description. `mask` is packed over all BN
/// layers in order. Weights come from `weights_from` (the dense network itself, or one of the same structure for a
/// lottery-ticket rewind, whose gammas are taken as they are). Throws what plan_pruning does.
Pruned prune(const Network& dense, const std::vector<uint8_t>& mask, const PruneOptions& options,
             const Network& weights_from);

/// The plan that `prune` would carry out. Throws what plan_pruning does.
PrunePlan plan_of(const Network& dense, const std::vector<uint8_t>& mask, const PruneOptions& options);

}  // namespace earlybird
