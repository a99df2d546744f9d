#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/network_data.h"
#include "quant/formats.h"

namespace earlybird {

class Ranks;

/// Channel widths; kPool stands for the 'M' of VGG.
using Cfg = std::vector<int64_t>;
inline constexpr int64_t kPool = -1;

/// One layer that the FLOPs rule counts (docs/reference.md#11). Height and width are those of the output.
struct LayerInfo {
  enum class Kind { kConv, kLinear, kBatchNorm, kRelu, kMaxPool, kAvgPool } kind;
  std::string key;
  int64_t in = 0, out = 0, kernel = 1, groups = 1;
  bool bias = false;
  int64_t height = 1, width = 1;
  /// The layer with weights whose channels enter this ReLU or pooling; empty: the layer before in the list.
  std::string of = {};
};

/// One operation of the forward pass. Its tensors lie in the state dict under `key`.
struct GraphNode {
  enum class Op { kConv, kLinear, kBatchNorm, kRelu, kMaxPool, kAvgPool, kAdd, kConcat, kSelect } op;
  std::string key;
  /// Positions of the nodes whose results it takes, all before its own; kImages stands for the network's input.
  std::vector<int64_t> inputs = {};
  int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
  /// Added to the variances of a BN layer.
  double eps = 0;
  /// Upper bound of the values of a ReLU; 0: none.
  double max = 0;

  static constexpr int64_t kImages = -1;
};

/// A BN layer that the mask covers, in the reference's order. Its channels count in N even if pruning keeps them all.
struct NormLayer {
  static constexpr size_t kNone = static_cast<size_t>(-1);
  std::string key;
  int64_t channels = 0;
  /// Convolutions whose sum enters the layer: their rows are the filters of its channels. Where several images are
  /// concatenated, one list for each, in their order.
  std::vector<std::vector<std::string>> sources = {};
  /// Entry of the ticket's cfg that records how many channels the mask leaves of this layer; it shapes nothing.
  size_t cfg_note = kNone;
};

/// Channels that pruning removes together: those of one BN layer, or of a residual stream, to which several layers add.
/// The pruner knows a network only by its cuts.
struct ChannelCut {
  /// BN layers whose output has these channels. A channel that all of them mask is zero.
  std::vector<std::string> norms = {};
  /// BN layers in front of a depthwise convolution, whose channels go with those of the BN layer behind it. Their own
  /// mask removes no channels: a channel that is zero in front becomes a constant of the BN layer behind.
  std::vector<std::string> carried = {};
  /// `--surgery reference`: the width is the largest number of kept channels among the first `width_norms` norms; the
  /// channels are those of the largest |gamma| in the first `rank_norms` norms.
  size_t width_norms = 1, rank_norms = 1;
  /// Where set, the BN layers stay whole and this channel selection takes the channels; otherwise the norms and
  /// `producers` are cut.
  std::string select = {};
  /// The selection follows its one BN layer directly and is its only reader; otherwise it reads a residual stream,
  /// which goes on whole.
  bool select_reads_one_norm = false;
  /// Convolutions that lose these rows (output channels).
  std::vector<std::string> producers = {};
  /// Convolutions and linear layers that lose these columns (input channels).
  std::vector<std::string> consumers = {};
  /// Entry of the ticket's cfg that holds the width.
  size_t cfg_entry = 0;
  /// An empty layer can be removed from the network.
  bool removable = false;
};

struct ModelSpec {
  std::string arch;
  /// Where set, the network is built from it, and `arch` is its name.
  std::shared_ptr<const NetworkData> network = {};
  int64_t depth = 0;
  int64_t classes = 10;
  Cfg cfg = {};  // empty: that of the architecture
  uint64_t seed = 1;
  std::string device = "cpu";
  /// Side of the images in pixels; 0: the size that the network was published for.
  int64_t image_size = 0;
  /// Low precision; full precision where absent.
  std::optional<NumberFormats> formats = {};
  /// Answers that an earlier run used (layer/conv/choice.h), by name.
  std::map<std::string, std::string> kernels = {};
  /// Ranks that train it together; null for this process alone.
  std::shared_ptr<Ranks> ranks = {};
  /// BatchNorm takes the statistics of a step over all ranks, not of each rank's images alone.
  bool sync_norms = false;
};

struct ModelDescription {
  std::string arch;
  std::shared_ptr<const NetworkData> network;
  int64_t depth = 0;
  int64_t classes = 0;
  Cfg cfg;
  int64_t input[3] = {0, 0, 0};
  std::vector<std::string> parameters;
  std::vector<std::string> indexes;
  std::vector<NormLayer> batch_norms;
  std::vector<LayerInfo> layers;
  /// The computation: the last node makes the logits.
  std::vector<GraphNode> nodes;
  std::vector<ChannelCut> cuts;
  /// Architecture and cfg of a ticket; pruning sets the cfg entries that the cuts name.
  std::string ticket_arch;
  Cfg ticket_cfg;
};

}  // namespace earlybird
