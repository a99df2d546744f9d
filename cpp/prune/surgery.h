#pragma once

#include <memory>

#include "prune/plan.h"

namespace earlybird {

class Network;

struct Pruned {
  std::shared_ptr<Network> network;
  std::vector<PrunedLayer> layers;
  /// The mask as it was applied: with the channels that were revived, and rounded.
  std::vector<uint8_t> mask;
  bool cuts_live_channels = false;
};

/// Cuts the channels that `mask` drops out of `dense`, whatever the network: it reads the network's own description.
/// `mask` is packed over all BN layers in order. Weights come from `weights_from` (the dense network itself, or one of
/// the same structure for a lottery-ticket rewind, whose gammas are taken as they are). Throws what plan_pruning does.
Pruned prune(const Network& dense, const std::vector<uint8_t>& mask, const PruneOptions& options,
             const Network& weights_from);

}  // namespace earlybird
