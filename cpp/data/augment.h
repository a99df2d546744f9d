#pragma once

#include "core/philox.h"

namespace earlybird {

struct Augmentation {
  int top, left;
  bool flip;
};

/// The draw of one image: crop offset in 0 .. 2 * padding each way, and a fair flip. One function for the CPU and the
/// CUDA kernel.
EB_HOST_DEVICE Augmentation draw_augmentation(uint64_t seed, uint32_t epoch, uint64_t index, int padding, bool flip) {
  const Random4 random = philox(seed, Purpose::kAugment, epoch, index);
  const uint32_t offsets = static_cast<uint32_t>(2 * padding + 1);
  return {static_cast<int>(below(random.word[0], offsets)), static_cast<int>(below(random.word[1], offsets)),
          flip && (random.word[2] >> 31) != 0};
}

}  // namespace earlybird
