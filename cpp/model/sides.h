#pragma once

#include <vector>

#include "model/network_data.h"

namespace earlybird {

/// Of each layer of a network that is data, the numbers of what it reads: 0 for the image and k + 1 for layer k. Throws
/// ERR_MODEL with the name of a layer that reads what is not there.
std::vector<std::vector<size_t>> inputs_of(const NetworkData& network);

/// The side of what has no pixels: the features of a linear layer, or an average over all pixels.
inline constexpr int64_t kFeatures = 0;

/// Of the image, then of each layer: the side of what leaves it, in pixels. Throws ERR_MODEL with the name of a layer
/// that does not fit.
std::vector<int64_t> sides_of(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs, int64_t side);

}  // namespace earlybird
