#pragma once

#include <vector>

#include "model/network_data.h"

namespace earlybird {

/// One operation of the forward pass: a layer, or several that one kernel computes. Values are numbered as in
/// channels.h.
struct Step {
  enum class Op {
    kConv,
    kNorm,
    kNormRelu,
    kNormAddRelu,
    kNormSelectRelu,
    kNormReluConv,
    kNormSelectReluConv,
    kRelu,
    kMaxPool,
    kAvgPool,
    kMean,
    kLinear,
    kAdd,
    kAddInPlace,
    kSelect,
    kConcat
  } op;
  /// Index of the layer whose output it makes.
  size_t layer = 0;
  size_t input = 0, other = 0, output = 0;
  /// Indexes of the layers that it computes beside its own.
  size_t norm = 0, select = 0;
  /// Values that no later step reads.
  std::vector<size_t> done = {};
};

/// The steps of a network. BatchNorm is one step with the sum or selection behind it, with ReLU and with the
/// convolution that follows where nothing else reads the values between them. The results are those of a built-in
/// network of these layers, bit for bit.
std::vector<Step> steps_of(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs);

}  // namespace earlybird
