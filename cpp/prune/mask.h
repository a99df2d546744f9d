#pragma once

#include <cstdint>
#include <vector>

namespace earlybird {

class Network;

struct Mask {
  double ratio = 0;
  float threshold = 0;
  int64_t kept = 0;
  std::vector<int64_t> kept_per_layer;
  /// Packed, channel 0 = most significant bit of the first byte.
  std::vector<uint8_t> bits;
};

/// Masks of a network at several ratios: |gamma| of all layers sorted once; a channel is kept when it is strictly
/// greater than sorted[int(N * ratio)] (spec section 5). Throws ERR_PRUNE unless 0 <= ratio < 1.
///
/// `protective` (spec 7.5): a layer of n channels puts only its lowest int(0.9 * n) into what is sorted, and those
/// greater than its sorted[int(0.9 * n)] are kept whatever the threshold. From a ratio of about 0.9 on there is no more
/// to sort, and the mask stays what it is.
std::vector<Mask> masks(const Network& network, const std::vector<double>& ratios, bool protective = false);

}  // namespace earlybird
