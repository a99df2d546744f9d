// The arithmetic of MX and NVFP4 for one block and one element, by integers alone: it needs no subnormal numbers, which
// the CPU may flush, and no logarithm, which is off by one just below powers of two. One source for CPU and CUDA.
#pragma once

#include "quant/mx_format.h"
#include "quant/noise.h"

namespace earlybird::mx {

using quant::bits_of;
using quant::float_of;
using quant::kInfinity;
using quant::load;

inline constexpr uint32_t kSign = 0x80000000u, kNan = 0x7FC00000u;
/// The scale byte of a block with a NaN, and that of the power of two 1.
inline constexpr uint32_t kNanByte = 255, kOneByte = 127;
/// Random bits of an element; see noise_call.
inline constexpr int kNoiseBits = 16;

EB_SCALAR int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }
EB_SCALAR int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

/// floor(log2) of an integer that is not 0.
EB_SCALAR int32_t places_of(uint32_t value) {
  int32_t places = 0;
  while (value >>= 1) ++places;
  return places;
}

/// The mantissa of the largest value, as in a float32.
EB_SCALAR uint32_t top_mantissa(const MxFormat& f) {
  return (f.largest & ((1u << f.mantissa_bits) - 1)) << (23 - f.mantissa_bits);
}

/// The scale byte B of a block with largest magnitude `top` (bits of a float32): its scale is 2^(B - 127).
EB_SCALAR uint32_t scale_byte(uint32_t top, const MxFormat& f, MxScale rule) {
  // An infinity in fixed point would come back as a finite number.
  if (top > kInfinity || (top == kInfinity && f.twos_complement)) return kNanByte;
  if (rule == MxScale::kRceil) {
    if (top == kInfinity) return 254;
    const uint32_t mantissa = top_mantissa(f);
    // Below the normal numbers, only a format whose largest value is below 2 can need more than the least scale.
    if (top >> 23 == 0) return f.emax == 0 && top > (mantissa | 0x800000u) >> 1 ? 1 : 0;
    const int32_t byte = static_cast<int32_t>(top >> 23) - f.emax + ((top & 0x7FFFFFu) > mantissa ? 1 : 0);
    return static_cast<uint32_t>(least(most(byte, 0), 254));
  }
  if (rule == MxScale::kEven && top < kInfinity) top += 1u << (22 - f.mantissa_bits);
  return static_cast<uint32_t>(least(most(static_cast<int32_t>(top >> 23) - f.emax, 0), 254));
}

/// The code of a float32 value, given by its bits, divided by the scale. An infinity saturates. Stochastic rounding
/// goes up where the remainder, rounded to 16 bits, and `noise` make a whole: StochasticFast of gfloat.
EB_SCALAR uint32_t encode(uint32_t bits, uint32_t byte, const MxFormat& f, MxRounding rounding, uint32_t noise) {
  const uint32_t size = bits & ~kSign;
  const bool negative = bits != size;
  uint32_t code = f.limit(negative);
  if (size < kInfinity) {
    const uint32_t significand = size >> 23 ? (size & 0x7FFFFFu) | 0x800000u : size;
    // The value is significand * 2^(unit - 23).
    const int32_t unit = most(static_cast<int32_t>(size >> 23), 1) - static_cast<int32_t>(byte);
    const int32_t exponent = most(unit - 23 + places_of(significand), f.least());
    // Bits of the significand below the step, which are at least 6. From 45 on nothing rounds up.
    const int32_t cut = least(exponent - f.mantissa_bits - unit + 23, 45);
    const uint64_t wide = significand, rest = wide & ((uint64_t{1} << cut) - 1), half = uint64_t{1} << (cut - 1);
    uint32_t whole = static_cast<uint32_t>(wide >> cut);
    if (rounding == MxRounding::kStochastic)
      whole += (((rest << (kNoiseBits + 1) >> cut) + 1) / 2 + (noise & 0xFFFFu)) >> kNoiseBits;
    else
      whole += rest > half || (rest == half && (rounding == MxRounding::kAway || (whole & 1))) ? 1 : 0;
    const uint32_t found = (static_cast<uint32_t>(exponent - f.least()) << f.mantissa_bits) + whole;
    code = found < code ? found : code;
  }
  if (!negative) return code;
  return f.twos_complement ? (256 - code) & 255 : code | 1u << (f.exponent_bits + f.mantissa_bits);
}

/// The bits of the value of a code times the scale: exact, or an infinity beyond the largest float32.
EB_SCALAR uint32_t decode(uint32_t code, uint32_t byte, const MxFormat& f) {
  if (byte == kNanByte) return kNan;
  const bool negative = code >> (f.exponent_bits + f.mantissa_bits) & 1;
  const uint32_t sign = negative ? kSign : 0;
  uint32_t size = code & ((1u << (f.exponent_bits + f.mantissa_bits)) - 1);
  if (negative && f.twos_complement) size = 256 - code;
  const int32_t field = static_cast<int32_t>(size >> f.mantissa_bits);
  const uint32_t whole = (size & ((1u << f.mantissa_bits) - 1)) | (field > 0 ? 1u << f.mantissa_bits : 0);
  if (whole == 0) return sign;
  // whole * 2^unit
  const int32_t unit = most(field, 1) - f.bias - f.mantissa_bits + static_cast<int32_t>(byte) - 127;
  const int32_t places = places_of(whole), exponent = unit + places;
  if (exponent > 127) return sign | kInfinity;
  if (exponent < -126) return sign | whole << (unit + 149);
  return sign | static_cast<uint32_t>(exponent + 127) << 23 | ((whole << (23 - places)) & 0x7FFFFFu);
}

/// A finite float32, given by its bits, as a double.
EB_SCALAR double wide_of(uint32_t bits) {
  const uint32_t size = bits & ~kSign, field = size >> 23;
  const uint64_t scale = static_cast<uint64_t>(most(static_cast<int32_t>(field), 1) - 150 + 1023) << 52;
  double power;
  memcpy(&power, &scale, sizeof power);
  const double value = static_cast<int32_t>(field ? (size & 0x7FFFFFu) | 0x800000u : size) * power;
  return bits == size ? value : -value;
}

/// The bits of the float32 product of two finite numbers, given by theirs.
EB_SCALAR uint32_t product(uint32_t a, uint32_t b) {
  const uint32_t sign = (a ^ b) & kSign;
  const double exact = wide_of(a & ~kSign) * wide_of(b & ~kSign);
  if (exact >= 0x1p-126) return sign | bits_of(static_cast<float>(exact));
  const double steps = exact * 0x1p149;
  const double whole = (steps + 0x1p52) - 0x1p52;
  return sign | static_cast<uint32_t>(static_cast<int32_t>(whole));
}

/// The float32 scale of an NVFP4 tensor with largest magnitude `top`: its largest elements become 448 * 6. Never below
/// 2^-120, because quotients by a smaller one overflow, and a tensor of zeros would become NaN.
EB_SCALAR float tensor_scale(uint32_t top) {
  if (top >= kInfinity) return float_of(kNan);
  const float scale = float_of(top) / 2688.f, low = 0x1p-120f;
  return scale > low ? scale : low;
}

/// A block: its scale byte, and the factors of NVFP4 before and after values are rounded to elements.
struct Block {
  uint32_t byte;
  float in = 1, out = 1;
};

/// The scales of NVFP4, in float32 and in the order of torchao.
EB_SCALAR Block nvfp4_block(uint32_t top, float scale) {
  if (scale != scale) return {0x7F, scale, scale};
  float quotient = (float_of(top) / 6.f) / scale;
  quotient = quotient > 0x1p-6f ? quotient : 0x1p-6f;
  quotient = quotient < 448.f ? quotient : 448.f;
  constexpr MxFormat e4m3 = kE4m3;  // a GPU has no address of constants outside
  const uint32_t byte = encode(bits_of(quotient), kOneByte, e4m3, MxRounding::kEven, 0);
  const float rounded = float_of(decode(byte, kOneByte, e4m3));
  return {byte, (1.f / scale) / rounded, scale * rounded};
}

EB_SCALAR Block block_of(uint32_t top, const MxFormat& f, MxScale rule, float scale) {
  return f.tensor_scale ? nvfp4_block(top, scale) : Block{scale_byte(top, f, rule)};
}

EB_SCALAR uint32_t code_in(uint32_t bits, const Block& block, const MxFormat& f, MxRounding rounding, uint32_t noise) {
  if (!f.tensor_scale) return block.byte == kNanByte ? 0 : encode(bits, block.byte, f, rounding, noise);
  if (block.in != block.in) return 0;
  // A product of the largest value of a block may be an ulp beyond 6; saturation is the clamp.
  return encode(product(bits, bits_of(block.in)), kOneByte, f, rounding, noise);
}

/// The bits of the value of a code of this block.
EB_SCALAR uint32_t value_in(uint32_t code, const Block& block, const MxFormat& f) {
  if (!f.tensor_scale) return decode(code, block.byte, f);
  if (block.out != block.out) return kNan;
  return product(decode(code, kOneByte, f), bits_of(block.out));
}

}  // namespace earlybird::mx
