// The rounding of blocks of MX and NVFP4 as kernels do it: usual blocks by a few operations in float32, all others by
// the integers of mx_arithmetic.h. One source for CPU and CUDA, so that both give the same bits.
#pragma once

#include <type_traits>

#include "quant/mx_arithmetic.h"

namespace earlybird::mx {

/// A rounding as kernels need it.
struct Kernel {
  MxFormat format;
  MxScale scale;
  MxRounding rounding;
  quant::NoiseKey key = {};
  /// The scale of the tensor, for NVFP4.
  float tensor_scale = 1;
};

/// Converts the arguments of the operator mx_round_out.
inline Kernel kernel_of(int64_t format, int64_t scale, int64_t rounding) {
  return {kMxFormats[format], static_cast<MxScale>(scale), static_cast<MxRounding>(rounding)};
}

/// The kinds of loops: NVFP4 multiplies before and after, two's complement has no -0 and one code more.
enum class Kind { kFloating, kFixed, kScaled };

/// The constants that all blocks of a rounding share. Bits of powers of two and of largest values are those at scale
/// 2^-127: the scale byte, moved to the exponent, is added to them.
struct Common {
  /// Added to a largest magnitude, carries into its exponent where the rule takes the next power of two.
  uint32_t carry;
  uint32_t emax;
  /// The power of two of subnormal elements, and the largest values above and below zero.
  uint32_t least, high, low;
  int32_t mantissa;
  float scale, inverse;
};

/// The bits of the value of a code without sign at scale 2^-127.
EB_SCALAR uint32_t least_value(uint32_t size, const MxFormat& f) {
  const uint32_t field = size >> f.mantissa_bits, mantissa = size & ((1u << f.mantissa_bits) - 1);
  return (field + f.least() - 1) << 23 | mantissa << (23 - f.mantissa_bits);
}

EB_SCALAR Common common_of(const Kernel& kernel) {
  const MxFormat& f = kernel.format;
  uint32_t carry = 0;
  if (kernel.scale == MxScale::kEven) carry = 1u << (22 - f.mantissa_bits);
  if (kernel.scale == MxScale::kRceil) carry = 0x7FFFFFu - top_mantissa(f);
  return {carry,
          static_cast<uint32_t>(f.emax),
          static_cast<uint32_t>(f.least()) << 23,
          least_value(f.limit(false), f),
          least_value(f.limit(true), f),
          f.mantissa_bits,
          kernel.tensor_scale,
          1.f / kernel.tensor_scale};
}

/// The constants of a block: its scale byte as exponent, or the factors of NVFP4 (Block).
struct Steps {
  uint32_t power;
  float in, out;
};

/// scale_byte for usual blocks; nvfp4_block for all, whose scale is a normal number of e4m3.
template <Kind kKind>
EB_SCALAR Steps steps_of(uint32_t top, const Common& common) {
  if (kKind == Kind::kScaled) {
    float quotient = (float_of(top) / 6.f) / common.scale;
    quotient = quotient > 0x1p-6f ? quotient : 0x1p-6f;
    quotient = quotient < 448.f ? quotient : 448.f;
    const float base = float_of((bits_of(quotient) & kInfinity) + (20u << 23)), rounded = (quotient + base) - base;
    return {kOneByte << 23, common.inverse / rounded, common.scale * rounded};
  }
  // A block of zeros has the smallest scale, but any scale gives zeros.
  const uint32_t byte = top == 0 ? kOneByte : ((top + common.carry) >> 23) - common.emax;
  return {byte << 23, 1, 1};
}

/// True where no intermediate number is subnormal or overflows.
template <Kind kKind>
EB_SCALAR bool is_usual(const Steps& steps) {
  if (kKind == Kind::kScaled) return (steps.in < 0x1p100f) & (steps.out > 0x1p-100f);
  return steps.power - (48u << 23) <= 152u << 23;
}

/// Rounds in the float32 of the values themselves: the sum with a power of two that has the step as its last bit rounds
/// to a whole number of steps, with ties to even.
template <Kind kKind, MxRounding kRounding>
EB_SCALAR float round_usual(float value, const Steps& steps, uint32_t noise, const Common& common) {
  const uint32_t sign = bits_of(value) & kSign;
  float size = float_of(bits_of(value) & ~kSign);
  if (kKind == Kind::kScaled) size *= steps.in;
  const uint32_t own = bits_of(size) & kInfinity, least = steps.power + common.least, power = own > least ? own : least;
  if (kRounding == MxRounding::kEven) {
    const float base = float_of(power + (static_cast<uint32_t>(23 - common.mantissa) << 23));
    size = (size + base) - base;
  } else {
    // Whole halves of a step, or 2^-17ths of it.
    constexpr int32_t kExtra = kRounding == MxRounding::kAway ? 1 : kNoiseBits + 1;
    const float up = float_of((static_cast<uint32_t>(254 + common.mantissa + kExtra) << 23) - power);
    int32_t whole = (static_cast<int32_t>(size * up) + 1) >> 1;
    if (kRounding == MxRounding::kStochastic) whole = (whole + static_cast<int32_t>(noise & 0xFFFFu)) >> kNoiseBits;
    size = static_cast<float>(whole) * float_of(power - (static_cast<uint32_t>(common.mantissa) << 23));
  }
  const float limit = float_of(steps.power + (kKind == Kind::kFixed && sign ? common.low : common.high));
  size = size < limit ? size : limit;
  if (kKind == Kind::kScaled) size *= steps.out;
  const float signed_size = float_of(bits_of(size) | sign);
  return kKind == Kind::kFixed ? signed_size + 0.f : signed_size;
}

/// bfloat16 holds every value of the formats but those of NVFP4 and subnormal ones, which it rounds to nearest even.
EB_SCALAR uint16_t narrow(uint32_t bits) { return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1)) >> 16); }
template <Kind kKind>
EB_SCALAR void store(float& to, float value) {
  to = value;
}
template <Kind kKind>
EB_SCALAR void store(uint16_t& to, float value) {
  to = kKind == Kind::kScaled ? narrow(bits_of(value)) : static_cast<uint16_t>(bits_of(value) >> 16);
}
/// Copies the bits: a float's NaN might change on the way.
EB_SCALAR void store_bits(float& to, uint32_t bits) { memcpy(&to, &bits, sizeof bits); }
EB_SCALAR void store_bits(uint16_t& to, uint32_t bits) { to = narrow(bits); }

/// Rounds `count` values of one block, `stride` apart, with largest magnitude `top`. The first is element `number` of
/// its tensor.
template <class From, class To>
EB_HOST_DEVICE void round_slowly(const From* from, To* to, int64_t count, int64_t stride, uint32_t top, int64_t number,
                                 const Kernel& kernel) {
  const Block block = block_of(top, kernel.format, kernel.scale, kernel.tensor_scale);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = i * stride;
    const uint32_t noise = kernel.rounding == MxRounding::kStochastic
                               ? quant::noise_at(kernel.key, number + at, quant::kHalfWordNoise)
                               : 0;
    const uint32_t code = code_in(bits_of(load(from[at])), block, kernel.format, kernel.rounding, noise);
    store_bits(to[at], value_in(code, block, kernel.format));
  }
}

/// Calls `body` with kind and rounding as types.
template <class Body>
EB_INLINE void with_kinds(const Kernel& kernel, const Body& body) {
  const auto with_rounding = [&](auto kind) EB_ALWAYS {
    using R = MxRounding;
    if (kernel.rounding == R::kEven)
      body(kind, std::integral_constant<R, R::kEven>{});
    else if (kernel.rounding == R::kAway)
      body(kind, std::integral_constant<R, R::kAway>{});
    else
      body(kind, std::integral_constant<R, R::kStochastic>{});
  };
  if (kernel.format.tensor_scale)
    with_rounding(std::integral_constant<Kind, Kind::kScaled>{});
  else if (kernel.format.twos_complement)
    with_rounding(std::integral_constant<Kind, Kind::kFixed>{});
  else
    with_rounding(std::integral_constant<Kind, Kind::kFloating>{});
}

}  // namespace earlybird::mx
