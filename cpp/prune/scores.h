#pragma once

#include <string>
#include <vector>

#include "core/cancel.h"
#include "data/dataset.h"

namespace earlybird {

class Network;

/// The first training images of the seed's order: the first batches of its epoch 0, augmented as there.
struct ScoreImages {
  Dataset* dataset = nullptr;
  uint64_t seed = 1;
  int64_t batches = 1, batch_size = 1;
};

/// The criterion by which the channels of BN layers are ranked. In the formulas a channel's filter w is its row in the
/// convolution whose output the layer normalises; where it normalises a sum of several (a residual stream), their rows
/// together. gamma and beta are those of the layer, g a gradient of the mean loss.
struct ScoreOptions {
  std::string criterion = "gamma";
  /// Seed of the criterion `random`.
  uint64_t seed = 1;
  /// Images of the criteria that need gradients or values inside the network.
  ScoreImages images = {};
};

/// The score of each channel of all BN layers, in the order of the mask; the channels with the largest scores are kept.
/// Channels that an earlier pruning took out get the lowest score. Throws ERR_USAGE for an unknown criterion or one
/// that needs images and gets none, ERR_NUMERIC where a score is not finite.
std::vector<float> channel_scores(Network& network, const ScoreOptions& options, const CancelToken& cancel);

}  // namespace earlybird
