#pragma once

#include <string>
#include <vector>

#include "model/description.h"
#include "model/network_data.h"

namespace earlybird {

/// The sets of channels that go together in a network that is data, and the cuts that a mask can make.
struct ChannelLayout {
  /// A set of channels that several layers share: those that only normalise, pool or add leave it as it is.
  struct Set {
    int64_t width = 0;  // channels, as the file says
    size_t cut = NormLayer::kNone;
  };
  std::vector<Set> sets;
  /// Index in `sets` of the channels of the image, then of those that leave each layer.
  std::vector<size_t> set_of;
  /// The cfg_entry of a cut is its position here.
  std::vector<ChannelCut> cuts;
  /// Convolutions whose sum the image, then each layer's output, holds; in the form of NormLayer::sources.
  std::vector<std::vector<std::vector<std::string>>> sources;
};

/// `inputs[i]` are the numbers of the values that layer i reads, 0 for the image and k + 1 for layer k. Throws
/// ERR_MODEL with the name of a layer that does not fit.
ChannelLayout layout_of(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs, int64_t classes);

/// Throws ERR_MODEL with the names of network and layer, and with `what`.
[[noreturn]] void refuse_layer(const NetworkData& network, const LayerData& layer, const std::string& what);

}  // namespace earlybird
