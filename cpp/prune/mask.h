#pragma once

#include <cstdint>
#include <vector>

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

/// Masks of a network at several ratios: |gamma| of all layers is sorted once, and a channel is kept when its |gamma|
/// is strictly greater than sorted[int(N * ratio)] (docs/reference.md#6). Throws ERR_PRUNE unless 0 <= ratio < 1.
///
/// `protective` (docs/reference.md#8.5): only the lowest int(0.9 * n) of a layer of n channels are sorted; those
/// greater than the layer's sorted[int(0.9 * n)] are kept whatever the threshold. From a ratio of about 0.9 on the
/// threshold is the largest sorted value, and the mask no longer changes.
///
/// With `scores` (scores.h), one a channel, these stand in the place of |gamma|.
std::vector<Mask> masks(const Network& network, const std::vector<double>& ratios, bool protective = false,
                        const std::vector<float>& scores = {});

}  // namespace earlybird
