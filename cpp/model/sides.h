#pragma once

#include <vector>

#include "model/network_data.h"

namespace earlybird {

/// Returns the numbers of the values that each layer of a network that is data reads: 0 for the image and k + 1 for
/// layer k. Throws ERR_MODEL with the name of a layer whose input does not exist.
std::vector<std::vector<size_t>> inputs_of(const NetworkData& network);

/// The side of a value without pixels: the features of a linear layer, or an average over all pixels.
inline constexpr int64_t kFeatures = 0;

/// Returns the side in pixels of the image, then of each layer's output. Throws ERR_MODEL with the name of a layer that
/// does not fit.
std::vector<int64_t> sides_of(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs, int64_t side);

}  // namespace earlybird
