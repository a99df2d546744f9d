#include "layer/choice.h"

#include <algorithm>

#include "core/device.h"

namespace earlybird {
namespace {

/// The answer without a measurement.
Algorithm by_rule(const ConvShape& shape) {
  const bool emulated = shape.dtype == at::kBFloat16 && !has_bf16();
  if (shape.kernel != 3 || shape.side < 4 || std::min(shape.in, shape.out) < 32) return Algorithm::kDirect;
  return shape.dtype == at::kFloat || emulated ? Algorithm::kWinogradLibrary : Algorithm::kDirect;
}

}  // namespace

Algorithm algorithm_for(const ConvShape& shape) { return by_rule(shape); }

}  // namespace earlybird
