// The random bits of stochastic rounding: the Philox call and the bits of it that belong to an element.
#pragma once

#include "quant/rounding.h"

namespace earlybird::quant {

/// The common key of all elements of one rounding.
struct NoiseKey {
  uint64_t seed;
  uint32_t epoch, step, lane;
};

/// `position` as RandomLane holds it: epoch << 32 | step.
EB_SCALAR NoiseKey noise_key(uint64_t seed, int64_t position, uint32_t lane) {
  return {seed, static_cast<uint32_t>(static_cast<uint64_t>(position) >> 32), static_cast<uint32_t>(position), lane};
}

/// Seven rounds instead of ten, because random words limit the speed of stochastic rounding.
inline constexpr int kNoiseRounds = 7;

/// The rule for random bits. Rounding to `bits` bits takes 23 - bits random bits an element. Where 16 are enough (7
/// bits and more) a call serves 8 elements, the low half of a word before its high half; else 4 elements, a word each.
/// The elements of a group, counted in memory order, share the call philox(seed; lane, epoch, step << 32 | group).
EB_SCALAR int32_t elements_a_call(int64_t bits) { return bits >= 7 ? 8 : 4; }

/// A word length whose elements take 16 random bits.
inline constexpr int64_t kHalfWordNoise = 7;

EB_SCALAR Random4 noise_call(const NoiseKey& key, uint32_t group) {
  return philox<kNoiseRounds>(key.seed, static_cast<Purpose>(key.lane), key.epoch,
                              static_cast<uint64_t>(key.step) << 32 | group);
}

/// The bits of element `number` of the tensor, from its group's call; those above the mask are not used.
EB_SCALAR uint32_t noise_in(const Random4& call, uint32_t number, int64_t bits) {
  return bits >= 7 ? call.word[(number >> 1) & 3] >> (16 * (number & 1)) : call.word[number & 3];
}

EB_SCALAR uint32_t noise_at(const NoiseKey& key, int64_t number, int64_t bits) {
  return noise_in(noise_call(key, static_cast<uint32_t>(number / elements_a_call(bits))), static_cast<uint32_t>(number),
                  bits);
}

/// The fault of a block with an infinity or NaN; `faults` becomes the smaller of it and its old value.
EB_SCALAR int64_t fault_of(const NoiseKey& key) { return static_cast<int64_t>(key.step) << 32 | key.lane; }

}  // namespace earlybird::quant
