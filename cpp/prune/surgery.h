#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace earlybird {

class Network;

enum class EmptyLayers { kKeepOne, kRemove };

struct PrunedLayer {
  std::string key;
  int64_t total = 0;
  int64_t kept = 0;
  int64_t clamped = 0;
  bool removed = false;
};

struct Pruned {
  std::shared_ptr<Network> network;
  std::vector<PrunedLayer> layers;
};

/// Cuts the channels that `mask` drops out of `dense`, whatever the network: it reads the network's own description.
/// `mask` is packed over all BN layers in order. Weights come from `weights_from` (the dense network itself, or one of
/// the same structure for a lottery-ticket rewind). A layer that would become empty keeps the channel of the largest
/// |gamma|, or disappears. Throws ERR_PRUNE for a mask of the wrong size or one that keeps nothing at all.
Pruned prune(const Network& dense, const std::vector<uint8_t>& mask, EmptyLayers empty_layers,
             const Network& weights_from);

}  // namespace earlybird
