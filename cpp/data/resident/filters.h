#pragma once

#include <ATen/core/Tensor.h>

namespace earlybird {

struct Filter {
  enum class Kind { kNone, kLowPass, kHighPass } kind = Kind::kNone;
  double sigma = 1.0;
};

/// The reference's image filters (docs/reference.md#3) on uint8 (B, H, W, 3), in plain ATen, so that they run on the
/// device of the images.
at::Tensor apply_filter(const at::Tensor& images, const Filter& filter);

}  // namespace earlybird
