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
  /// Values that nothing reads any more afterwards.
  std::vector<size_t> done = {};
};

/// The steps of a network, with BatchNorm, what it adds or selects, and ReLU in one where nothing else reads what lies
/// between them. They make the same results as a built-in network of these layers, bit for bit.
std::vector<Step> steps_of(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs);

}  // namespace earlybird
