#pragma once

#include <ATen/core/Tensor.h>

namespace earlybird {

/// Network input of each of the 256 pixel values, by colour: float32 (3, 256), on the CPU. The float32
/// operations have the reference's order: /255, threshold, - mean, / std.
at::Tensor input_table(const double* mean, const double* std, double threshold);

}  // namespace earlybird
