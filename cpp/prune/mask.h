#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/description.h"

namespace earlybird {

class Network;

struct Mask {
  double ratio = 0;
  float threshold = 0;
  int64_t kept = 0, total = 0;  // channels of all layers
  std::vector<int64_t> kept_per_layer;
  /// Packed, channel 0 = most significant bit of the first byte.
  std::vector<uint8_t> bits;
};

struct MaskOptions {
  /// Only the lowest int(0.9 * n) of a layer of n channels are sorted; those greater than the layer's
  /// sorted[int(0.9 * n)] are kept whatever the threshold (docs/reference.md#8.5). From a ratio of about 0.9 on the
  /// threshold is the largest sorted value, and the mask no longer changes.
  bool protective = false;
  /// Instead of one threshold, the lowest int(n * ratio) channels go out of each layer of n channels that one
  /// convolution feeds and that no other layer adds to. All others stay, and the threshold is 0.
  bool uniform = false;
  /// A score for each channel (scores.h), which replaces |gamma|.
  std::vector<float> scores = {};
};

/// Masks of a network at several ratios: |gamma| of all layers is sorted once, and a channel is kept when its |gamma|
/// is strictly greater than sorted[int(N * ratio)] (docs/reference.md#6). Throws ERR_PRUNE unless 0 <= ratio < 1.
std::vector<Mask> masks(const Network& network, const std::vector<double>& ratios, const MaskOptions& options = {});

/// Channels that the selection behind their BN layer does not take, because an earlier pruning removed them.
struct RemovedChannels {
  size_t norm;      // index in description.batch_norms
  at::Tensor mask;  // bool (channels)
};
std::vector<RemovedChannels> removed_channels(const Network& network, const ModelDescription& description);

/// True where a cut has one BN layer and one convolution, beside depthwise ones.
bool goes_alone(const ChannelCut& cut);

/// Soft filter pruning (He et al., IJCAI 2018): the filters that a uniform mask by their norm would take out become 0,
/// in place. They go on training.
void soft_prune(Network& network, double ratio);

}  // namespace earlybird
