// The loops over memory of block floating point on the CPU, for what lies in one piece. float32 values, or bfloat16
// ones as their 16 bits.
#pragma once

#include <cstdint>

#include "quant/noise_cpu.h"

namespace earlybird::quant {

struct Format {
  Grid grid;
  bool swalp;
  /// Write past the caches: for results that would not stay there. Not with results in place. Call end_stream() at the
  /// end, on the same thread.
  bool stream = false;
};

void end_stream();

/// Shorter runs of one block go by position: a vector then holds several blocks.
inline constexpr int64_t kShortRun = 16;

/// The largest magnitude bits of `count` values.
uint32_t largest(const float* values, int64_t count);
uint32_t largest(const uint16_t* values, int64_t count);

/// tops[i] = max(tops[i], magnitude of values[i]).
void raise_tops(uint32_t* tops, const float* values, int64_t count);
void raise_tops(uint32_t* tops, const uint16_t* values, int64_t count);

/// Rounds values of one block of largest magnitude `top`. The first is element `number` of its tensor. `to` may be
/// `from`.
void round_run(const float* from, float* to, int64_t count, uint32_t top, int64_t number, NoiseTile& noise,
               const Format& format);
void round_run(const uint16_t* from, uint16_t* to, int64_t count, uint32_t top, int64_t number, NoiseTile& noise,
               const Format& format);

/// The same where each value has a block, and a `top`, of its own.
void round_each(const float* from, float* to, int64_t count, const uint32_t* tops, int64_t number, NoiseTile& noise,
                const Format& format);
void round_each(const uint16_t* from, uint16_t* to, int64_t count, const uint32_t* tops, int64_t number,
                NoiseTile& noise, const Format& format);

/// Rounds `count` values in one piece, of which each `inner` are a block: whole blocks. Returns whether there was an
/// infinity or NaN.
bool round_rows(const float* from, float* to, int64_t count, int64_t inner, int64_t number, NoiseTile& noise,
                const Format& format);
bool round_rows(const uint16_t* from, uint16_t* to, int64_t count, int64_t inner, int64_t number, NoiseTile& noise,
                const Format& format);

/// tops[i] becomes the largest of its `inner` neighbours; `count` is a multiple of `inner`.
void join_tops(uint32_t* tops, int64_t count, int64_t inner);

}  // namespace earlybird::quant
