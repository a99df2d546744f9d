#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "model/description.h"

namespace earlybird {

class Network;

/// The multiples that widths are rounded to where it pays; 1: any width.
inline constexpr std::array<int64_t, 4> kMultiples = {1, 8, 16, 32};

/// Processor time of a multiply-add in picoseconds, by class of shapes (layer/conv/choice.h), for a convolution whose
/// widths are multiples of 1, 8, 16 and 32, and of no larger one. 0 where a class has no such width.
using WidthCosts = std::map<std::string, std::array<double, kMultiples.size()>>;

/// The costs of the classes that tickets of a network can have: `known`, and the others measured. Empty on devices
/// other than the CPU. Checks `cancel` before each class.
WidthCosts time_widths(Network& network, bool bf16, const WidthCosts& known, const CancelToken& cancel);

/// Processor time of a training step of the convolutions that are timed (1x1 and 3x3, without groups), picoseconds an
/// image; NaN where a cost is missing.
double time_of(const std::vector<LayerInfo>& layers, const WidthCosts& costs);

/// Chooses widths by their costs.
class FastestWidths {
 public:
  FastestWidths(const ModelDescription& description, const WidthCosts& costs);

  /// Returns the fastest of `width` and its next multiples, at least 1 and at most `most`. Another width than `width`
  /// has to beat it by a twentieth.
  int64_t instead_of(const ChannelCut& cut, int64_t width, int64_t most) const;

 private:
  /// Processor time of a training step of the convolutions that the cut makes narrower, picoseconds an image; NaN where
  /// a cost is missing.
  double cost(const ChannelCut& cut, int64_t width) const;

  std::map<std::string, const LayerInfo*> layers_;
  WidthCosts costs_;
  bool bf16_;
};

}  // namespace earlybird
