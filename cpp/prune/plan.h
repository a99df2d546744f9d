#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/description.h"
#include "prune/widths.h"

namespace earlybird {

enum class EmptyLayers { kKeepOne, kRemove };

/// kReference: a ticket equals that of the reference's pruners (docs/reference.md#8), in which a residual stream loses
/// channels that are not zero. kExact: a ticket computes the function of the dense network with masked gammas and
/// betas.
enum class Surgery { kReference, kExact };

struct PruneOptions {
  EmptyLayers empty_layers = EmptyLayers::kKeepOne;
  Surgery surgery = Surgery::kReference;
  /// Scores of all channels (scores.h) that the mask was drawn by; empty: |gamma|.
  std::vector<float> scores = {};
  /// Widths become multiples of this, within the budget of the mask.
  int64_t round_to = 1;
  /// Replaces `round_to`: each width becomes the multiple that is fastest by these costs (widths.h), where one is.
  std::optional<WidthCosts> width_costs = {};
};

struct PrunedLayer {
  std::string key;
  int64_t total = 0;
  /// Number of channels that keep their gamma and beta.
  int64_t kept = 0;
  /// Kept channels that the mask dropped and that are kept so that the layer is not empty.
  int64_t clamped = 0;
  /// Number of channels that the ticket computes.
  int64_t width = 0;
  bool removed = false;
};

/// One bit for each channel of a layer.
using Bits = std::vector<bool>;

struct CutPlan {
  std::vector<int64_t> kept;  // empty: the layer is removed
  /// kExact: the mask dropped the one channel, so its consumers must ignore it.
  bool mute = false;
};

/// The fate of every cut and every BN layer, in the order of the description.
struct PrunePlan {
  std::vector<CutPlan> cuts;
  std::vector<Bits> alive;
  std::vector<PrunedLayer> layers;
  Cfg cfg;
  /// A residual stream loses channels that are not zero, so the ticket differs from the masked network.
  bool cuts_live_channels = false;
};

/// The input from the weights: for each BN layer the scores of its channels, |gamma| unless others are given; for each
/// cut the channels that its selection already takes (empty: all), so that a ticket can be pruned again.
struct PruneInput {
  std::vector<std::vector<float>> scores;
  std::vector<Bits> selected;
};

/// `mask` is packed over all BN layers. Throws ERR_PRUNE for a mask of the wrong size or one that keeps nothing, for an
/// empty layer that shall be removed and cannot be, and for removing layers with exact surgery.
PrunePlan plan_pruning(const ModelDescription& description, PruneInput input, const std::vector<uint8_t>& mask,
                       const PruneOptions& options);

}  // namespace earlybird
