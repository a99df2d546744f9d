#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace earlybird {

/// A layer of a network that is data (docs/add-a-network.md). Fields that its kind does not have keep their defaults.
struct LayerData {
  enum class Kind { kConv, kBatchNorm, kRelu, kMaxPool, kAvgPool, kLinear, kAdd, kConcat, kSelect } kind;
  std::string name;
  /// Names of layers listed before, or kImage.
  std::vector<std::string> inputs;
  /// Channels of a convolution, or features of a linear layer. 0: a depthwise convolution has as many as enter it, a
  /// linear layer as many as there are classes.
  int64_t out = 0;
  /// Side in pixels; 0: a pool averages over all pixels.
  int64_t kernel = 0;
  int64_t stride = 1, padding = 0, groups = 1;
  bool depthwise = false, bias = false;
  /// Upper bound of the values of a ReLU; 0: none.
  double max = 0;
  /// True for a pool that the FLOPs rule does not count, as it counts no pooling by a function (docs/reference.md#11).
  bool functional = false;
};

inline constexpr const char* kImage = "image";

/// A network as a list of layers in forward order; the last one makes the logits.
struct NetworkData {
  /// The list as the binding got it, for ModelDescription: nothing in C++ reads it.
  std::string text;
  std::string name;
  /// Side of the images where none is given.
  int64_t image_size = 32;
  /// Gammas of new BN layers.
  double gamma = 1;
  /// Standard deviation of the weights of new linear layers, with biases of 0; 0: PyTorch's initialisation.
  double linear_deviation = 0;
  std::vector<LayerData> layers;
};

}  // namespace earlybird
