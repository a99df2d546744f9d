#pragma once

#include <cstdint>

namespace earlybird {

struct CropBox {
  int left, top, width, height;
  bool flip;
};

/// The random resized crop of one image: 8 to 100 % of its area, aspect ratio 3:4 to 4:3, and a fair flip.
/// torchvision's method (ten tries, then the largest centred rectangle of an allowed shape), drawn from Philox of
/// (seed, epoch, index).
CropBox draw_resized_crop(int width, int height, uint64_t seed, uint32_t epoch, uint64_t index);

}  // namespace earlybird
