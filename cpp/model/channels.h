#pragma once

#include <string>
#include <vector>

#include "model/description.h"
#include "model/network_data.h"

namespace earlybird {

/// Which channels of a network that is data go together, and which of them a mask can take out.
struct ChannelLayout {
  /// A set of channels that several layers share: those that only normalise, pool or add leave it as it is.
  struct Set {
    int64_t width = 0;  // as the file says
    size_t cut = NormLayer::kNone;
  };
  std::vector<Set> sets;
  /// Of the image, then of each layer: the set of the channels that leave it, an index of `sets`.
  std::vector<size_t> set_of;
  /// cfg_entry is their own position.
  std::vector<ChannelCut> cuts;
  /// Of the image, then of each layer: the convolutions whose sum it holds, as NormLayer has them.
  std::vector<std::vector<std::vector<std::string>>> sources;
};

/// `inputs[i]`: what layer i reads, 0 for the image and k + 1 for layer k. Throws ERR_MODEL with the name of a layer
/// that cannot be.
ChannelLayout layout_of(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs, int64_t classes);

/// Throws ERR_MODEL: the network, the layer and `what`.
[[noreturn]] void refuse_layer(const NetworkData& network, const LayerData& layer, const std::string& what);

}  // namespace earlybird
