#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quant/formats.h"

namespace earlybird {

/// Channel widths; kPool stands for the 'M' of VGG.
using Cfg = std::vector<int64_t>;
inline constexpr int64_t kPool = -1;

/// One layer that the FLOPs rule counts (spec section 11). Heights and widths are those of the output.
struct LayerInfo {
  enum class Kind { kConv, kLinear, kBatchNorm, kRelu, kMaxPool, kAvgPool } kind;
  std::string key;
  int64_t in = 0, out = 0, kernel = 1, groups = 1;
  bool bias = false;
  int64_t height = 1, width = 1;
};

/// A BN layer under the mask, in the release's order: its channels are part of N, whatever pruning does with them.
struct NormLayer {
  static constexpr size_t kNone = static_cast<size_t>(-1);
  std::string key;
  int64_t channels = 0;
  /// Entry of the ticket's cfg that tells what the mask leaves of this layer, and shapes nothing.
  size_t told_in_cfg = kNone;
};

/// Channels that pruning takes out together: those of one BN layer, or of a residual stream, to which several layers
/// add. Together the cuts are all that the pruner knows of a network.
struct ChannelCut {
  /// BN layers whose output these channels are. A channel that all of them mask is zero.
  std::vector<std::string> norms = {};
  /// `--surgery reference`: the width is the largest count of the first `counted` norms; the channels are those of the
  /// largest |gamma| in the first `ranked` norms.
  size_t counted = 1, ranked = 1;
  /// Where set, the BN layers stay whole and this channel selection takes the channels. Else the norms and `producers`
  /// are cut.
  std::string select = {};
  /// The selection stands right behind its one BN layer, and is all that reads it; else in a residual stream, which
  /// goes on whole.
  bool select_ends_norm = false;
  /// Convolutions whose rows (output channels) go with the channels.
  std::vector<std::string> producers = {};
  /// Convolutions and linear layers whose columns (input channels) go with them.
  std::vector<std::string> consumers = {};
  /// Entry of the ticket's cfg that holds the width.
  size_t cfg_entry = 0;
  /// An empty layer can be taken out of the network altogether.
  bool removable = false;
};

struct ModelSpec {
  std::string arch;
  int64_t depth = 0;
  int64_t classes = 10;
  Cfg cfg;  // empty: the architecture's own
  uint64_t seed = 1;
  std::string device = "cpu";
  /// Side of the images in pixels; 0 for what the network was published for.
  int64_t image_size = 0;
  /// Low precision; full precision where absent.
  std::optional<NumberFormats> formats = {};
};

struct ModelDescription {
  std::string arch;
  int64_t depth = 0;
  int64_t classes = 0;
  Cfg cfg;
  int64_t input[3] = {0, 0, 0};
  std::vector<std::string> parameters;
  std::vector<std::string> indexes;
  std::vector<NormLayer> batch_norms;
  std::vector<LayerInfo> layers;
  std::vector<ChannelCut> cuts;
  /// The architecture of a ticket and its cfg, of which pruning sets the entries that the cuts name.
  std::string ticket_arch;
  Cfg ticket_cfg;
};

}  // namespace earlybird
