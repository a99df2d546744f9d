// The arithmetic of block floating point for one value: one source for the CPU and CUDA kernels, so that both give the
// same bits. It never multiplies or adds subnormal numbers, because the CPU may flush them and the GPU does not.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/every_cpu.h"
#include "core/philox.h"

#ifdef __CUDACC__
#define EB_SCALAR __host__ __device__ __forceinline__
#else
#define EB_SCALAR EB_INLINE
#endif

namespace earlybird::quant {

/// A number format as the kernels need it.
struct Grid {
  int32_t bits;
  /// The low bits of a float's mantissa that a word of this length cannot hold.
  uint32_t mask;
  bool nearest;
};

EB_SCALAR Grid grid_of(int64_t bits, bool nearest) {
  return {static_cast<int32_t>(bits), (1u << (23 - bits)) - 1, nearest};
}

EB_SCALAR uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

EB_SCALAR float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// A value as kernels read it; bfloat16 is its 16 bits.
EB_SCALAR float load(float value) { return value; }
EB_SCALAR float load(uint16_t value) { return float_of(static_cast<uint32_t>(value) << 16); }

/// 2^exponent, -126 to 127.
EB_SCALAR float power_of_two(int32_t exponent) { return float_of(static_cast<uint32_t>(exponent + 127) << 23); }

/// Bits of |value|. As integers they have the order of the magnitudes, NaN last.
EB_SCALAR uint32_t magnitude(float value) { return bits_of(value) & 0x7FFFFFFFu; }

inline constexpr uint32_t kInfinity = 0x7F800000u;

/// True where the largest magnitude `top` of a block is between 2^-100 and 2^125, or 0: then no intermediate result
/// overflows or is subnormal.
EB_SCALAR bool is_usual(uint32_t top) { return (top == 0) | (top - (27u << 23) < 225u << 23); }

/// QPyTorch's rounding. With E = 2^floor(log2 top) and step = E * 2^(2 - bits), adding 6E gives every value of the
/// block the same exponent: its low mantissa bits are then the part below the step. The float32 rounding of this sum is
/// part of the definition. Values end at +-(2E - step).
struct Qtorch {
  struct Scale {
    float base;
    /// Bounds of the sum's bits.
    int32_t low, high;
  };

  EB_SCALAR static Scale scale_of(uint32_t top, const Grid& grid) {
    const float power = float_of(top & kInfinity), base = 6 * power;
    const float limit = 2 * power - power * power_of_two(2 - grid.bits);
    return {base, static_cast<int32_t>(bits_of(base - limit)), static_cast<int32_t>(bits_of(base + limit))};
  }

  template <bool kNearest>
  EB_SCALAR static float round(float value, const Scale& scale, uint32_t noise, const Grid& grid) {
    if (kNearest) noise = (grid.mask + 1) >> 1;  // ties go up
    int32_t sum = static_cast<int32_t>((bits_of(value + scale.base) + (noise & grid.mask)) & ~grid.mask);
    sum = sum < scale.low ? scale.low : sum;
    sum = sum > scale.high ? scale.high : sum;
    return float_of(static_cast<uint32_t>(sum)) - scale.base;
  }
};

/// SWALP's rounding: half to even, and one more step on the negative side.
struct Swalp {
  struct Scale {
    float up, down;
    float low, high;
  };

  EB_SCALAR static Scale scale_of(uint32_t top, const Grid& grid) {
    const int32_t places = static_cast<int32_t>(top >> 23) - 127 + 2 - grid.bits;
    const float half = static_cast<float>(1 << (grid.bits - 1));
    return {top == 0 ? 0 : power_of_two(-places), top == 0 ? 0 : power_of_two(places), -half, half - 1};
  }

  template <bool kNearest>
  EB_SCALAR static float round(float value, const Scale& scale, uint32_t noise, const Grid& grid) {
    const float to_whole = 12582912.f;  // 1.5 * 2^23: a sum with it has no fraction bits
    float steps = value * scale.up;
    if (kNearest) {
      steps = (steps + to_whole) - to_whole;
    } else {
      // The middle of the interval that the bits select: never 0, so that flushing a tiny value changes nothing.
      steps += static_cast<float>(static_cast<int32_t>(2 * (noise & grid.mask) + 1)) * power_of_two(grid.bits - 24);
      const float whole = (steps + to_whole) - to_whole;
      // Subtracts 1 if that rounded up; uses the sign bit, because a branch would prevent vectorisation.
      steps = whole - static_cast<float>(static_cast<int32_t>(bits_of(steps - whole) >> 31));
    }
    steps = steps < scale.low ? scale.low : steps;
    steps = steps > scale.high ? scale.high : steps;
    return steps * scale.down;
  }
};

/// floor(log2) of a magnitude that is not 0.
EB_SCALAR int32_t exponent_of(uint32_t top) {
  if (top >> 23) return static_cast<int32_t>(top >> 23) - 127;
  int32_t exponent = -149;
  while (top >>= 1) ++exponent;
  return exponent;
}

/// value * 2^-exponent, by integers; 0 for less than 2^-76, which rounds like 0.
EB_SCALAR float to_unit(float value, int32_t exponent) {
  const uint32_t top = magnitude(value), field = top >> 23;
  const uint32_t mantissa = field ? (top & 0x7FFFFFu) | 0x800000u : top;
  const int32_t places = static_cast<int32_t>(field ? field : 1) - 150 - exponent;
  const float unit = places < -100 ? 0.f : static_cast<float>(static_cast<int32_t>(mantissa)) * power_of_two(places);
  return bits_of(value) >> 31 ? -unit : unit;
}

/// The exact inverse: `unit` is a whole number of steps.
EB_SCALAR float from_unit(float unit, int32_t exponent) {
  const uint32_t top = magnitude(unit);
  if (top == 0) return 0.f;
  const int32_t field = static_cast<int32_t>(top >> 23) + exponent;
  const uint32_t mantissa = top & 0x7FFFFFu;
  const uint32_t out =
      field > 0 ? static_cast<uint32_t>(field) << 23 | mantissa : (mantissa | 0x800000u) >> (1 - field);
  return float_of((bits_of(unit) & 0x80000000u) | out);
}

/// Rounds a value of a block with a subnormal maximum. QPyTorch's base is 0 there, so it rounds the magnitude bits
/// themselves, and cuts values that reach the next exponent to the highest bits - 2 mantissa bits.
EB_SCALAR float round_subnormal(float value, uint32_t noise, const Grid& grid) {
  if (grid.nearest) noise = (grid.mask + 1) >> 1;
  uint32_t top = (magnitude(value) + (noise & grid.mask)) & ~grid.mask;
  if (top >> 23) top = 0x7FFFFFu & ~(4 * grid.mask + 3);
  return float_of((bits_of(value) & 0x80000000u) | top);
}

template <class Flavour>
EB_SCALAR float round_once(float value, const typename Flavour::Scale& scale, uint32_t noise, const Grid& grid) {
  return grid.nearest ? Flavour::template round<true>(value, scale, noise, grid)
                      : Flavour::template round<false>(value, scale, noise, grid);
}

EB_SCALAR float round_unusual(Qtorch, float value, uint32_t top, uint32_t noise, const Grid& grid) {
  if (top < 1u << 23) return round_subnormal(value, noise, grid);
  const int32_t exponent = exponent_of(top);
  const Qtorch::Scale one = Qtorch::scale_of(127u << 23, grid);
  return from_unit(round_once<Qtorch>(to_unit(value, exponent), one, noise, grid), exponent);
}

EB_SCALAR float round_unusual(Swalp, float value, uint32_t top, uint32_t noise, const Grid& grid) {
  int32_t exponent = exponent_of(top);
  if (exponent < -128) exponent = -128;  // SWALP's exponent has 8 bits
  Swalp::Scale one = Swalp::scale_of(127u << 23, grid);
  if (exponent == 127) one.low = -one.high;  // -2^128 is not a float
  return from_unit(round_once<Swalp>(to_unit(value, exponent), one, noise, grid), exponent);
}

/// Rounds `value` of a block of largest magnitude `top`, from which scale_of made `scale`. Does not change a block with
/// an infinity or NaN.
template <class Flavour>
EB_SCALAR float round_value(float value, uint32_t top, const typename Flavour::Scale& scale, uint32_t noise,
                            const Grid& grid) {
  if (is_usual(top)) return round_once<Flavour>(value, scale, noise, grid);
  if (top >= kInfinity) return value;
  return round_unusual(Flavour{}, value, top, noise, grid);
}

}  // namespace earlybird::quant
