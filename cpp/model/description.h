#pragma once

#include <cstdint>
#include <string>
#include <vector>

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

/// A BN layer as the mask and the pruner see it: a model describes its own structure, the pruner knows no model.
struct PrunableBatchNorm {
  std::string key;
  int64_t channels;
  /// Convolution whose output rows go with the channels.
  std::string producer;
  /// Convolutions and linear layers whose input columns go with the channels.
  std::vector<std::string> consumers;
  /// Its entry in cfg.
  size_t cfg_index;
};

struct ModelSpec {
  std::string arch;
  int64_t depth = 0;
  int64_t classes = 10;
  Cfg cfg;  // empty: the architecture's own
  uint64_t seed = 1;
  std::string device = "cpu";
};

struct ModelDescription {
  std::string arch;
  int64_t depth = 0;
  int64_t classes = 0;
  Cfg cfg;
  int64_t input[3] = {0, 0, 0};
  std::vector<std::string> parameters;
  std::vector<std::string> indexes;
  std::vector<PrunableBatchNorm> batch_norms;
  std::vector<LayerInfo> layers;
};

}  // namespace earlybird
