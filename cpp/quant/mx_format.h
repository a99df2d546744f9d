#pragma once

#include <cstdint>
#include <string>

namespace earlybird {

/// An element format of the OCP Microscaling Formats (MX) Specification 1.0, or of NVFP4. A code is sign, exponent and
/// mantissa; its value without sign is 2^(max(field, 1) - bias) * (mantissa / 2^mantissa bits, + 1 where field > 0).
/// The fixed point of mxint8 is the case of one exponent bit with bias 1, but with a code in two's complement.
struct MxFormat {
  const char* name;
  /// Elements that share a scale.
  int32_t block;
  int32_t exponent_bits, mantissa_bits, bias;
  /// The exponent of the largest value, whose code is `largest`; two's complement has one more below zero.
  int32_t emax;
  uint32_t largest;
  bool twos_complement = false;
  /// NVFP4: a scale in e4m3 for each block, times a float32 scale of the tensor. The others: a power of two a block.
  bool tensor_scale = false;

  constexpr uint32_t limit(bool negative) const { return largest + (twos_complement && negative ? 1 : 0); }
  /// The exponent of subnormal values.
  constexpr int32_t least() const { return 1 - bias; }
};

inline constexpr MxFormat kMxFormats[] = {
    {"mxint8", 32, 1, 6, 1, 0, 0x7F, true},       {"mxfp8-e4m3", 32, 4, 3, 7, 8, 0x7E},
    {"mxfp8-e5m2", 32, 5, 2, 15, 15, 0x7B},       {"mxfp6-e2m3", 32, 2, 3, 1, 2, 0x1F},
    {"mxfp6-e3m2", 32, 3, 2, 3, 4, 0x1F},         {"mxfp4", 32, 2, 1, 1, 2, 0x07},
    {"nvfp4", 16, 2, 1, 1, 2, 0x07, false, true},
};

/// The element format of the block scales of NVFP4.
inline constexpr MxFormat kE4m3 = kMxFormats[1];

/// Throws ERR_USAGE for a name that is not in the table.
const MxFormat& mx_format(const std::string& name);

/// The rule that gives the power of two of a block from its largest magnitude: its exponent less emax (the
/// specification, section 6.3); the smallest one with which nothing saturates (Mishra et al., arXiv 2506.08027); or as
/// kFloor after the magnitude was rounded to the mantissa of the elements. NVFP4 has a rule of its own.
enum class MxScale { kFloor, kRceil, kEven };

/// Nearest with ties to even or away from zero, or up with the probability of the remainder.
enum class MxRounding { kEven, kAway, kStochastic };

}  // namespace earlybird
