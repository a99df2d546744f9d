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

/// By class of shapes (layer/conv/choice.h): processor time of a multiply-add in picoseconds of a convolution whose
/// widths are multiples of 1, 8, 16 and 32, and of no larger one. 0 where a class has no such width.
using WidthCosts = std::map<std::string, std::array<double, kMultiples.size()>>;

/// The costs of the classes that tickets of a network can have: `known`, and the others measured. Empty on devices
/// other than the CPU. Checks `cancel` before each class.
WidthCosts time_widths(Network& network, bool bf16, const WidthCosts& known, const CancelToken& cancel);

/// Processor time of a training step of the convolutions that such costs are known of, picoseconds an image; NaN where
/// one of theirs is missing.
double time_of(const std::vector<LayerInfo>& layers, const WidthCosts& costs);

/// Chooses widths by their costs.
class FastestWidths {
 public:
  FastestWidths(const ModelDescription& description, const WidthCosts& costs);

  /// The fastest of a width of the cut and its next multiples, which are at most `most`. Another one than `width` has
  /// to beat it by a twentieth. At least 1.
  int64_t instead_of(const ChannelCut& cut, int64_t width, int64_t most) const;

 private:
  /// Of a training step of the convolutions that the cut makes narrower; NaN where something is not known.
  double cost(const ChannelCut& cut, int64_t width) const;

  std::map<std::string, const LayerInfo*> layers_;
  WidthCosts costs_;
  bool bf16_;
};

}  // namespace earlybird
