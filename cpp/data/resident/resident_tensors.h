#pragma once

#include <ATen/core/Tensor.h>

#include "data/resident/filters.h"

namespace earlybird {

/// An image set on the device, and its conversion to network input.
struct ResidentTensors {
  at::Tensor images;  // uint8 (N, H, W, 3)
  at::Tensor labels;  // int64 (N)
  at::Tensor table;   // float32 (3, 256): pixel value -> scaled, thresholded, normalised
  int64_t padding;
  bool flip;
  Filter filter;
};

}  // namespace earlybird
