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
std::vector<Mask> masks(const Network& network, const std::vector<double>& ratios);

}  // namespace earlybird
