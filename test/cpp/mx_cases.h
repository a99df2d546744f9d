#pragma once

#include <ATen/ATen.h>

#include <string>

#include "quant/mx.h"
#include "tensors.h"

/// Rules and values that the tests of the CPU's kernels and of the CUDA kernels have in common.
namespace mx_cases {

using namespace earlybird;

inline constexpr MxScale kScales[] = {MxScale::kFloor, MxScale::kRceil, MxScale::kEven};
inline constexpr MxRounding kRoundings[] = {MxRounding::kEven, MxRounding::kAway, MxRounding::kStochastic};

inline const RandomLane& lane() {
  static const RandomLane random{0x123456789abcull, lane_of(NumberKind::kTest, 3), position_of(2, 5)};
  return random;
}

inline std::string name_of(const MxRule& rule) {
  return c10::str(rule.format->name, " scale ", static_cast<int>(rule.scale), " rounding ",
                  static_cast<int>(rule.rounding), " dim ", rule.dim, " groups ", rule.groups);
}

/// Calls work(rule) for every format, scale rule and rounding.
template <class Work>
void each_rule(const Work& work) {
  for (const MxFormat& format : kMxFormats)
    for (const MxScale scale : kScales)
      for (const MxRounding rounding : kRoundings)
        if (!format.tensor_scale || scale == MxScale::kFloor) work(MxRule{&format, scale, rounding});
}

/// Any bits: subnormal numbers, zeros of both signs, infinities and NaN among them. In float32 half of all blocks of 32
/// would hold one that is not finite: `finite` leaves them out.
inline at::Tensor any_bits(at::IntArrayRef sizes, bool finite) {
  at::Tensor bits = at::randint(INT32_MIN, int64_t{INT32_MAX} + 1, sizes, at::kLong).to(at::kInt);
  if (finite) bits = at::where(bits.bitwise_and(0x7F800000) == 0x7F800000, bits.bitwise_and(~0x40000000), bits);
  return bits.view(at::kFloat);
}

/// Each entry of the first dimension with a magnitude of its own.
inline at::Tensor apart(at::IntArrayRef sizes) {
  std::vector<int64_t> column(sizes.size(), 1);
  column[0] = sizes[0];
  const at::Tensor exponents = at::randint(-149, 128, {sizes[0]}, at::kDouble).view(column);
  return (at::randn(sizes, at::kDouble) * at::pow(2.0, exponents) / 4).to(at::kFloat) * (at::rand(sizes) > 0.1);
}

}  // namespace mx_cases
