#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/description.h"

namespace earlybird {

enum class EmptyLayers { kKeepOne, kRemove };

/// What a ticket has to agree with. kReference: the release's pruners (spec section 7), in which a residual stream
/// loses channels that are not zero. kExact: the dense network with masked gammas and betas.
enum class Surgery { kReference, kExact };

struct PruneOptions {
  EmptyLayers empty_layers = EmptyLayers::kKeepOne;
  Surgery surgery = Surgery::kReference;
  /// Widths become multiples of this, within the budget of the mask.
  int64_t round_to = 1;
};

struct PrunedLayer {
  std::string key;
  int64_t total = 0;
  /// Channels that keep their gamma and beta.
  int64_t kept = 0;
  /// Of these, channels that the mask dropped and that were kept so that the layer is not empty.
  int64_t clamped = 0;
  /// Channels that the ticket still computes.
  int64_t width = 0;
  bool removed = false;
};

/// One bit a channel of a layer.
using Bits = std::vector<bool>;

struct CutPlan {
  std::vector<int64_t> kept;  // empty: the layer is removed
  /// kExact: the one channel was dropped by the mask, and its consumers must not see it.
  bool mute = false;
};

/// What becomes of every cut and every BN layer, in the order of the description. Nothing of it depends on a network's
/// kind.
struct PrunePlan {
  std::vector<CutPlan> cuts;
  std::vector<Bits> alive;
  std::vector<PrunedLayer> layers;
  Cfg cfg;
};

/// What pruning has to know of the weights: |gamma| of each BN layer, and of each cut the channels that its selection
/// takes already (empty: all), so that a ticket can be pruned again.
struct PruneInput {
  std::vector<std::vector<float>> gammas;
  std::vector<Bits> selected;
};

/// `mask`: packed over all BN layers. Throws ERR_PRUNE for a mask of the wrong size, one that keeps nothing at all, an
/// empty layer that cannot be removed where that is asked, and for removing layers exactly.
PrunePlan plan_pruning(const ModelDescription& description, PruneInput input, const std::vector<uint8_t>& mask,
                       const PruneOptions& options);

}  // namespace earlybird
