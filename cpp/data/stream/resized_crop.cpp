#include "data/stream/resized_crop.h"

#include <algorithm>
#include <cmath>

#include "core/philox.h"

namespace earlybird {
namespace {

constexpr double kLeastArea = 0.08, kLeastRatio = 3.0 / 4.0, kMostRatio = 4.0 / 3.0;
constexpr int kTries = 10;

/// Each try has its own Philox block: its number is stored above the bits of the image's index.
Random4 block(uint64_t seed, uint32_t epoch, uint64_t index, int number) {
  return philox(seed, Purpose::kResizedCrop, epoch, index | static_cast<uint64_t>(number) << 48);
}

double unit(uint32_t word) { return word * (1.0 / 4294967296.0); }

int rounded(double value) { return static_cast<int>(std::nearbyint(value)); }

}  // namespace

CropBox draw_resized_crop(int width, int height, uint64_t seed, uint32_t epoch, uint64_t index) {
  const bool flip = (block(seed, epoch, index, kTries).word[0] >> 31) != 0;
  const double low = std::log(kLeastRatio), high = std::log(kMostRatio);
  for (int i = 0; i < kTries; ++i) {
    const Random4 random = block(seed, epoch, index, i);
    const double area = (kLeastArea + (1.0 - kLeastArea) * unit(random.word[0])) * width * height;
    const double ratio = std::exp(low + (high - low) * unit(random.word[1]));
    const int w = rounded(std::sqrt(area * ratio)), h = rounded(std::sqrt(area / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    return {static_cast<int>(below(random.word[2], static_cast<uint32_t>(width - w + 1))),
            static_cast<int>(below(random.word[3], static_cast<uint32_t>(height - h + 1))), w, h, flip};
  }
  int w = width, h = height;
  if (width < kLeastRatio * height)
    h = std::clamp(rounded(w / kLeastRatio), 1, height);
  else if (width > kMostRatio * height)
    w = std::clamp(rounded(h * kMostRatio), 1, width);
  return {(width - w) / 2, (height - h) / 2, w, h, flip};
}

}  // namespace earlybird
