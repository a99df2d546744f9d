// The loops of block floating point over contiguous memory on the CPU: float32 values, or bfloat16 values as their 16
// bits.
#pragma once

#include <cstdint>

#include "quant/noise_cpu.h"

namespace earlybird::quant {

struct Format {
  Grid grid;
  bool swalp;
  /// Write past the caches, for results too large to stay there; not for results in place. Call end_stream() at the
  /// end, on the same thread.
  bool stream = false;
};

void end_stream();

/// Shorter runs of one block are processed by position, so that a vector holds several blocks.
inline constexpr int64_t kShortRun = 16;

/// The largest magnitude bits of `count` values.
uint32_t largest(const float* values, int64_t count);
uint32_t largest(const uint16_t* values, int64_t count);

/// tops[i] = max(tops[i], magnitude of values[i]).
void raise_tops(uint32_t* tops, const float* values, int64_t count);
void raise_tops(uint32_t* tops, const uint16_t* values, int64_t count);

/// Rounds values of one block with largest magnitude `top`. The first is element `number` of its tensor. `to` may be
/// `from`.
void round_run(const float* from, float* to, int64_t count, uint32_t top, int64_t number, NoiseTile& noise,
               const Format& format);
void round_run(const uint16_t* from, uint16_t* to, int64_t count, uint32_t top, int64_t number, NoiseTile& noise,
               const Format& format);

/// The same, but each value has its own block and `top`.
void round_each(const float* from, float* to, int64_t count, const uint32_t* tops, int64_t number, NoiseTile& noise,
                const Format& format);
void round_each(const uint16_t* from, uint16_t* to, int64_t count, const uint32_t* tops, int64_t number,
                NoiseTile& noise, const Format& format);

/// Rounds `count` contiguous values, whole blocks of `inner` values. Returns whether there was an infinity or NaN.
bool round_rows(const float* from, float* to, int64_t count, int64_t inner, int64_t number, NoiseTile& noise,
                const Format& format);
bool round_rows(const uint16_t* from, uint16_t* to, int64_t count, int64_t inner, int64_t number, NoiseTile& noise,
                const Format& format);

/// Sets every tops[i] to the largest of its block of `inner` values; `count` is a multiple of `inner`.
void join_tops(uint32_t* tops, int64_t count, int64_t inner);

}  // namespace earlybird::quant
