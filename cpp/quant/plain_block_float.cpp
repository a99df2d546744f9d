// The slow twin of the block floating point kernels, by ATen's operators and by another method: every block is scaled
// exactly to a largest magnitude of 1 to 2, and rounded there by the closed form floor(((x + 6) - 6) / step + u) of
// QPyTorch's rounding. Powers of two and subnormal results are made from integers, because the CPU may flush subnormal
// numbers.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/block_float.h"
#include "quant/blocks.h"
#include "quant/noise.h"

namespace earlybird {
namespace {

using namespace quant;
using at::Tensor;

constexpr double kLeastNormal = 0x1p-126;

/// 2^exponents as float64, -1022 to 1023.
Tensor powers(const Tensor& exponents) {
  return ((exponents.to(at::kLong) + 1023) * (int64_t{1} << 52)).view(at::kDouble);
}

/// float32 values, given by their bits (int32), as float64; also subnormal ones.
Tensor exact(const Tensor& bits) {
  const Tensor field = bits.bitwise_right_shift(23).bitwise_and(255);
  const Tensor mantissa = bits.bitwise_and(0x7FFFFF) + (field > 0).to(at::kInt) * 0x800000;
  const Tensor value = mantissa.to(at::kDouble) * powers(field.clamp_min(1) - 150);
  return at::where(bits < 0, -value, value);
}

/// The float32 bits of float64 values that float32 can represent; also subnormal ones.
Tensor float_bits(const Tensor& values) {
  const Tensor size = values.abs();
  const Tensor subnormal = (size.clamp_max(kLeastNormal) * 0x1p149).to(at::kInt);
  const Tensor normal = size.to(at::kFloat).view(at::kInt);
  return at::where(size < kLeastNormal, subnormal, normal)
      .bitwise_or((values < 0).to(at::kInt) * std::numeric_limits<int32_t>::min());
}

/// floor(log2) of float32 magnitudes given by their bits.
Tensor exponents_of(const Tensor& top) {
  const Tensor bits = exact(top).view(at::kLong);
  return at::where(top > 0, bits.bitwise_right_shift(52) - 1023, 0);
}

Tensor noise_of(int64_t count, const BlockFloat& format, const RandomLane& random, at::Device device) {
  const int64_t position = random.position.defined() ? random.position.item<int64_t>() : 0;
  const NoiseKey key = noise_key(random.seed, position, random.lane);
  const auto mask = grid_of(format.bits, false).mask;
  std::vector<int32_t> noise(count);
  for (int64_t i = 0; i < count; ++i) noise[i] = static_cast<int32_t>(noise_at(key, i, format.bits) & mask);
  return at::tensor(noise, at::kInt).to(device);
}

/// Rounds to whole steps; `unit` are float32 values of blocks with exponent 0. `noise` is undefined for nearest
/// rounding.
Tensor qtorch_steps(const Tensor& unit, const Tensor& noise, int64_t bits) {
  const double half = std::ldexp(1.0, static_cast<int>(bits) - 1);
  const Tensor scaled = ((unit + 6) - 6) * (half / 2);
  const Tensor u = noise.defined() ? noise.to(at::kFloat) * std::ldexp(1.0, static_cast<int>(bits) - 23) : Tensor();
  return (u.defined() ? scaled + u : scaled + 0.5).floor().clamp(1 - half, half - 1);
}

Tensor swalp_steps(const Tensor& unit, const Tensor& noise, int64_t bits, const Tensor& exponent) {
  const double half = std::ldexp(1.0, static_cast<int>(bits) - 1);
  const Tensor scaled = unit * (half / 2);
  const Tensor whole =
      noise.defined() ? (scaled + (noise * 2 + 1).to(at::kFloat) * std::ldexp(1.0, static_cast<int>(bits) - 24)).floor()
                      : scaled.round();
  const Tensor low = at::where(exponent == 127, 1 - half, -half).to(at::kFloat);
  return at::minimum(at::maximum(whole, low), at::full({}, half - 1, whole.options()));
}

/// Magnitude bits of blocks with a subnormal maximum, as QPyTorch rounds them.
Tensor subnormal_bits(const Tensor& bits, const Tensor& noise, int64_t word) {
  const auto mask = static_cast<int64_t>(grid_of(word, false).mask);
  const Tensor size = bits.bitwise_and(0x7FFFFFFF);
  const Tensor sum = (noise.defined() ? size + noise : size + (mask + 1) / 2).bitwise_and(0x7FFFFFFF & ~mask);
  const Tensor top = at::where(sum >= 0x800000, (0x7FFFFF & ~(4 * mask + 3)), sum).to(at::kInt);
  return top.bitwise_or((bits < 0).to(at::kInt) * std::numeric_limits<int32_t>::min());
}

Tensor rounded_bits(const Tensor& bits, const Tensor& noise, const BlockFloat& format) {
  const Tensor top = bits.bitwise_and(0x7FFFFFFF).amax({0, 2}, /*keepdim=*/true);
  Tensor exponent = exponents_of(top);
  const bool swalp = format.flavour == BlockFlavour::kSwalp;
  if (swalp) exponent = exponent.clamp_min(-128);
  const Tensor unit = (exact(bits) * powers(-exponent)).to(at::kFloat);
  const Tensor steps = swalp ? swalp_steps(unit, noise, format.bits, exponent) : qtorch_steps(unit, noise, format.bits);
  Tensor out = float_bits(steps.to(at::kDouble) * powers(exponent + (2 - format.bits)));
  if (!swalp) out = at::where(top < 0x800000, subnormal_bits(bits, noise, format.bits), out);
  out = at::where(top == 0, 0, out);
  return at::where(top >= static_cast<int64_t>(kInfinity), bits, out).to(at::kInt);
}

/// float32 bits to bfloat16, nearest even; exact for blocks that were not rounded.
Tensor bfloat16_of(const Tensor& bits) {
  const Tensor whole = bits.to(at::kLong).bitwise_and(0xFFFFFFFF);
  const Tensor odd = whole.bitwise_right_shift(16).bitwise_and(1);
  const Tensor is_nan = whole.bitwise_and(0x7FFFFFFF) > static_cast<int64_t>(kInfinity);
  const Tensor up = at::where(is_nan, whole, whole + 0x7FFF + odd);
  return up.bitwise_right_shift(16).to(at::kShort).view(at::kBFloat16);
}

}  // namespace

Tensor plain_block_quantize(const Tensor& values, const BlockFloat& format, const RandomLane& random) {
  check_format(format);
  if (format.bits == NumberFormats::kFull) return values;
  check_values(values);
  const Tensor dense = values.contiguous(values.suggest_memory_format());
  const Blocks shape = blocks_of(dense, format.dim);
  const int64_t count = shape.elements();
  if (count == 0) return dense.clone();
  const Tensor memory =
      dense.as_strided({shape.outer, shape.blocks, shape.inner}, {shape.blocks * shape.inner, shape.inner, 1});
  const Tensor noise = format.rounding == Rounding::kNearest
                           ? Tensor()
                           : noise_of(count, format, random, values.device()).view(memory.sizes());
  const Tensor wide = memory.scalar_type() == at::kFloat ? memory.view(at::kInt)
                                                         : memory.view(at::kShort).to(at::kInt).bitwise_left_shift(16);
  const Tensor bits = rounded_bits(wide, noise, format);
  const Tensor rounded = memory.scalar_type() == at::kFloat ? bits.view(at::kFloat) : bfloat16_of(bits);
  Tensor out = at::empty_like(dense);
  out.as_strided(memory.sizes(), memory.strides()).copy_(rounded);
  return out;
}

}  // namespace earlybird
