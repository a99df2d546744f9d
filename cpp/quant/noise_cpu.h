#pragma once

#include <algorithm>

#include "core/every_cpu.h"
#include "quant/noise.h"

namespace earlybird::quant {

/// In place of random bits for nearest rounding, which needs none.
struct NoNoise {
  EB_INLINE uint32_t operator[](int64_t) const { return 0; }
  EB_INLINE NoNoise operator+(int64_t) const { return {}; }
};

/// Writes the words of `calls` calls of noise_call from group `first` on, one call after the other, and up to 31
/// further calls.
void fill_noise(const NoiseKey& key, uint32_t first, int64_t calls, uint64_t* words);

/// The random bits of neighbouring elements, made a thousand at a time, so that they stay in the first-level cache.
class NoiseTile {
 public:
  /// Serves elements with numbers below `end`.
  NoiseTile(const NoiseKey& key, const Grid& grid, int64_t end)
      : key_(key), nearest_(grid.nearest), a_call_(elements_a_call(grid.bits)), end_(end) {}

  struct Bits {
    /// uint16 if a call serves 8 elements, else uint32; null if no bits are needed.
    const void* bits;
    int64_t count;
  };

  /// The bits of element `number` and of the available ones after it, at most `count`.
  Bits from(int64_t number, int64_t count) {
    if (nearest_) return {nullptr, count};
    if (number < first_ || number >= last_) fill(number);
    const auto* bytes = reinterpret_cast<const char*>(words_);
    return {bytes + (number - first_) * (16 / a_call_), std::min(count, last_ - number)};
  }

 private:
  static constexpr int64_t kCalls = 64;

  void fill(int64_t number) {
    const int64_t group = number / a_call_;
    const int64_t calls = std::min(kCalls, (end_ - 1) / a_call_ + 1 - group);
    fill_noise(key_, static_cast<uint32_t>(group), calls, words_);
    first_ = group * a_call_;
    last_ = first_ + calls * a_call_;
  }

  NoiseKey key_;
  bool nearest_;
  int64_t a_call_, end_, first_ = 0, last_ = 0;
  alignas(64) uint64_t words_[2 * (kCalls + 31)];
};

}  // namespace earlybird::quant
