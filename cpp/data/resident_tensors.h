#pragma once

#include <ATen/core/Tensor.h>

#include "data/filters.h"
#include "data/resident_dataset.h"

namespace earlybird {

struct ResidentDataset::Tensors {
  at::Tensor images;  // uint8 (N, H, W, 3)
  at::Tensor labels;  // int64 (N)
  at::Tensor table;   // float32 (3, 256): pixel value -> scaled, thresholded, normalised
  int64_t classes;
  std::string device;
  int64_t padding;
  bool flip;
  Filter filter;

  /// Normalised input (B, 3, H, W), channels_last, float32, of images `index` (int64, on the device). No host sync.
  at::Tensor batch(const at::Tensor& index, uint64_t seed, uint32_t epoch) const;
};

}  // namespace earlybird
