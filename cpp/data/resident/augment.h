#pragma once

#include "core/philox.h"

namespace earlybird {

/// The position of a feed, three int64 numbers on the device: the next entry of the order, and the keys of the draws.
enum Place { kNext, kEpoch, kSeed, kPlaces };

struct Augmentation {
  int top, left;
  bool flip;
};

/// The draw of image `index` at the epoch and seed of `place`: crop offset in 0 .. 2 * padding each way, and a fair
/// flip. One function for the CPU and the CUDA kernel.
EB_HOST_DEVICE Augmentation draw_augmentation(const int64_t* place, int64_t index, int padding, bool flip) {
  const Random4 random = philox(static_cast<uint64_t>(place[kSeed]), Purpose::kAugment,
                                static_cast<uint32_t>(place[kEpoch]), static_cast<uint64_t>(index));
  const uint32_t offsets = static_cast<uint32_t>(2 * padding + 1);
  return {static_cast<int>(below(random.word[0], offsets)), static_cast<int>(below(random.word[1], offsets)),
          flip && (random.word[2] >> 31) != 0};
}

}  // namespace earlybird
