#pragma once

#include <cstdint>

namespace earlybird {

struct CropBox {
  int left, top, width, height;
  bool flip;
};

/// The random resized crop of one image: 8 to 100 % of its area, sides from 3:4 to 4:3, and a fair flip. As torchvision
/// draws it (ten tries, then the largest centred rectangle of an allowed shape), from a Philox of (seed, epoch, index).
CropBox draw_resized_crop(int width, int height, uint64_t seed, uint32_t epoch, uint64_t index);

}  // namespace earlybird
