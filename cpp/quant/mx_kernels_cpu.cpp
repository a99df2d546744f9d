#include "quant/mx_kernels_cpu.h"

#include <algorithm>
#include <type_traits>

#include "quant/noise_cpu.h"

namespace earlybird::mx {
namespace {

/// What distinguishes the loops: NVFP4 multiplies before and after, two's complement has no -0 and one code more.
enum class Kind { kFloating, kFixed, kScaled };

/// What all blocks of a rounding have in common. Bits of powers of two and of largest values are those at scale 2^-127:
/// the scale byte, moved to the exponent, is added to them.
struct Common {
  /// Added to a largest magnitude, carries into its exponent where the rule takes the next power of two.
  uint32_t carry;
  uint32_t emax;
  /// The power of two of subnormal elements, and the largest values above and below zero.
  uint32_t least, high, low;
  int32_t mantissa;
  float scale, inverse;
};

EB_INLINE Common common_of(const Kernel& kernel) {
  const MxFormat& f = kernel.format;
  const auto value = [&](uint32_t size) EB_ALWAYS {
    const uint32_t field = size >> f.mantissa_bits, mantissa = size & ((1u << f.mantissa_bits) - 1);
    return (field + f.least() - 1) << 23 | mantissa << (23 - f.mantissa_bits);
  };
  uint32_t carry = 0;
  if (kernel.scale == MxScale::kEven) carry = 1u << (22 - f.mantissa_bits);
  if (kernel.scale == MxScale::kRceil) carry = 0x7FFFFFu - top_mantissa(f);
  return {carry,
          static_cast<uint32_t>(f.emax),
          static_cast<uint32_t>(f.least()) << 23,
          value(f.limit(false)),
          value(f.limit(true)),
          f.mantissa_bits,
          kernel.tensor_scale,
          1.f / kernel.tensor_scale};
}

/// What distinguishes a block: its scale byte as exponent, or the factors of NVFP4 (Block).
struct Steps {
  uint32_t power;
  float in, out;
};

/// scale_byte for usual blocks; nvfp4_block for all, whose scale is a normal number of e4m3.
template <Kind kKind>
EB_INLINE Steps steps_of(uint32_t top, const Common& common) {
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

/// Whether no number on the way is subnormal or overflows.
template <Kind kKind>
EB_INLINE bool is_usual(const Steps& steps) {
  if (kKind == Kind::kScaled) return (steps.in < 0x1p100f) & (steps.out > 0x1p-100f);
  return steps.power - (48u << 23) <= 152u << 23;
}

/// Rounds in the float32 of the values themselves: the sum with a power of two that has the step as its last bit rounds
/// to a whole number of steps, with ties to even.
template <Kind kKind, MxRounding kRounding>
EB_INLINE float round_usual(float value, const Steps& steps, uint32_t noise, const Common& common) {
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
    if (kRounding == MxRounding::kStochastic) whole = (whole + static_cast<int32_t>(noise)) >> kNoiseBits;
    size = static_cast<float>(whole) * float_of(power - (static_cast<uint32_t>(common.mantissa) << 23));
  }
  const float limit = float_of(steps.power + (kKind == Kind::kFixed && sign ? common.low : common.high));
  size = size < limit ? size : limit;
  if (kKind == Kind::kScaled) size *= steps.out;
  const float signed_size = float_of(bits_of(size) | sign);
  return kKind == Kind::kFixed ? signed_size + 0.f : signed_size;
}

EB_INLINE float load(float value) { return value; }
EB_INLINE float load(uint16_t value) { return float_of(static_cast<uint32_t>(value) << 16); }

/// bfloat16 holds every value of the formats but those of NVFP4 and subnormal ones, which it rounds to nearest even.
EB_INLINE uint16_t narrow(uint32_t bits) { return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1)) >> 16); }
template <Kind kKind>
EB_INLINE void store(float& to, float value) {
  to = value;
}
template <Kind kKind>
EB_INLINE void store(uint16_t& to, float value) {
  to = kKind == Kind::kScaled ? narrow(bits_of(value)) : static_cast<uint16_t>(bits_of(value) >> 16);
}
/// Not as a float, whose NaN might change.
void store_bits(float& to, uint32_t bits) { memcpy(&to, &bits, sizeof bits); }
void store_bits(uint16_t& to, uint32_t bits) { to = narrow(bits); }

/// In place of random bits for nearest rounding, which needs none.
struct NoNoise {
  EB_INLINE uint32_t operator[](int64_t) const { return 0; }
  EB_INLINE NoNoise operator+(int64_t) const { return {}; }
};

/// The random bits of neighbouring elements.
class Noise {
 public:
  /// Those of `count` elements from `number` on, at most kChunk.
  const uint16_t* of(const quant::NoiseKey& key, int64_t number, int64_t count) {
    const int64_t a_call = quant::elements_a_call(quant::kHalfWordNoise), group = number / a_call;
    quant::fill_noise(key, static_cast<uint32_t>(group), (number + count - 1) / a_call + 1 - group, words_);
    return reinterpret_cast<const uint16_t*>(words_) + (number - group * a_call);
  }

 private:
  alignas(64) uint64_t words_[2 * (kChunk / 8 + 1 + 31)];
};

template <class From, class To>
void round_slowly(const From* from, To* to, int64_t count, int64_t stride, uint32_t top, int64_t number,
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

template <class From>
EB_INLINE uint32_t top_of(const From* values, int64_t count) {
  uint32_t top = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t size = quant::magnitude(load(values[i]));
    top = size > top ? size : top;
  }
  return top;
}

template <Kind kKind, MxRounding kRounding, class From, class To, class Bits>
EB_INLINE void run(const From* from, To* to, int64_t count, const Steps& steps, Bits noise, const Common& common) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i)
    store<kKind>(to[i], round_usual<kKind, kRounding>(load(from[i]), steps, noise[i], common));
}

/// The steps of some blocks; false if one of them is unusual.
template <Kind kKind>
EB_INLINE bool fill_steps(const uint32_t* tops, int64_t blocks, const Common& common, Steps* all) {
  bool usual = true;
  for (int64_t i = 0; i < blocks; ++i) {
    all[i] = steps_of<kKind>(tops[i], common);
    usual &= is_usual<kKind>(all[i]);
  }
  return usual;
}

template <Kind kKind, MxRounding kRounding, class From, class To, class Bits>
EB_INLINE bool rows(const From* from, To* to, int64_t count, int64_t length, int64_t number, Bits noise,
                    const Kernel& kernel) {
  constexpr int64_t kBlock = kKind == Kind::kScaled ? 16 : 32;
  const Common common = common_of(kernel);
  uint32_t tops[kChunk];
  Steps steps[kChunk];
  /// Calls work(first element, size, number of the block); the size is a constant for all blocks but short ones.
  const auto each_block = [&](const auto& work) EB_ALWAYS {
    int64_t block = 0;
    for (int64_t row = 0; row < count; row += length) {
      int64_t at = row;
      for (const int64_t end = row + length; at + kBlock <= end; at += kBlock) work(at, kBlock, block++);
      if (at < row + length) work(at, row + length - at, block++);
    }
    return block;
  };
  const int64_t blocks =
      each_block([&](int64_t at, int64_t size, int64_t block) EB_ALWAYS { tops[block] = top_of(from + at, size); });
  if (fill_steps<kKind>(tops, blocks, common, steps)) {
    each_block([&](int64_t at, int64_t size, int64_t block)
                   EB_ALWAYS { run<kKind, kRounding>(from + at, to + at, size, steps[block], noise + at, common); });
    return false;
  }
  bool fault = false;
  each_block([&](int64_t at, int64_t size, int64_t block) EB_ALWAYS {
    round_slowly(from + at, to + at, size, 1, tops[block], number + at, kernel);
    fault |= tops[block] >= kInfinity;
  });
  return fault;
}

template <Kind kKind, MxRounding kRounding, class From, class To>
EB_INLINE bool lines(const From* from, To* to, int64_t blocks, int64_t count, int64_t stride, int64_t number,
                     const Kernel& kernel) {
  const Common common = common_of(kernel);
  uint32_t tops[kPositions] = {}, power[kPositions];
  float in[kPositions], out[kPositions];
  for (int64_t j = 0; j < count; ++j)
    for (int64_t i = 0; i < blocks; ++i) {
      const uint32_t size = quant::magnitude(load(from[j * stride + i]));
      tops[i] = size > tops[i] ? size : tops[i];
    }
  bool usual = true;
  for (int64_t i = 0; i < blocks; ++i) {
    const Steps steps = steps_of<kKind>(tops[i], common);
    usual &= is_usual<kKind>(steps);
    power[i] = steps.power, in[i] = steps.in, out[i] = steps.out;
  }
  if (!usual) {
    bool fault = false;
    for (int64_t i = 0; i < blocks; ++i) {
      round_slowly(from + i, to + i, count, stride, tops[i], number + i, kernel);
      fault |= tops[i] >= kInfinity;
    }
    return fault;
  }
  Noise noise;
  for (int64_t j = 0; j < count; ++j) {
    const From* here = from + j * stride;
    To* there = to + j * stride;
    const auto line = [&](auto bits) EB_ALWAYS {
#pragma GCC ivdep
      for (int64_t i = 0; i < blocks; ++i)
        store<kKind>(there[i],
                     round_usual<kKind, kRounding>(load(here[i]), Steps{power[i], in[i], out[i]}, bits[i], common));
    };
    if constexpr (kRounding == MxRounding::kStochastic)
      line(noise.of(kernel.key, number + j * stride, blocks));
    else
      line(NoNoise{});
  }
  return false;
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

// A macro, because a template cannot have target clones.
#define EB_LOOPS(From, To)                                                                                          \
  EB_EVERY_CPU bool rows_here(const From* from, To* to, int64_t count, int64_t length, int64_t number,              \
                              const uint16_t* noise, const Kernel& kernel) {                                        \
    bool fault = false;                                                                                             \
    with_kinds(kernel, [&](auto kind, auto rounding) EB_ALWAYS {                                                    \
      constexpr Kind kKind = decltype(kind)::value;                                                                 \
      constexpr MxRounding kRounding = decltype(rounding)::value;                                                   \
      if constexpr (kRounding == MxRounding::kStochastic)                                                           \
        fault = rows<kKind, kRounding>(from, to, count, length, number, noise, kernel);                             \
      else                                                                                                          \
        fault = rows<kKind, kRounding>(from, to, count, length, number, NoNoise{}, kernel);                         \
    });                                                                                                             \
    return fault;                                                                                                   \
  }                                                                                                                 \
  EB_EVERY_CPU bool lines_here(const From* from, To* to, int64_t blocks, int64_t count, int64_t stride,             \
                               int64_t number, const Kernel& kernel) {                                              \
    bool fault = false;                                                                                             \
    with_kinds(kernel, [&](auto kind, auto rounding) EB_ALWAYS {                                                    \
      fault =                                                                                                       \
          lines<decltype(kind)::value, decltype(rounding)::value>(from, to, blocks, count, stride, number, kernel); \
    });                                                                                                             \
    return fault;                                                                                                   \
  }
EB_LOOPS(float, float)
EB_LOOPS(float, uint16_t)
EB_LOOPS(uint16_t, uint16_t)
#undef EB_LOOPS

}  // namespace

template <class From, class To>
bool round_rows(const From* from, To* to, int64_t count, int64_t length, int64_t number, const Kernel& kernel) {
  Noise noise;
  const bool random = kernel.rounding == MxRounding::kStochastic;
  return rows_here(from, to, count, length, number, random ? noise.of(kernel.key, number, count) : nullptr, kernel);
}

template <class From, class To>
bool round_lines(const From* from, To* to, int64_t blocks, int64_t lines, int64_t stride, int64_t number,
                 const Kernel& kernel) {
  return lines_here(from, to, blocks, lines, stride, number, kernel);
}

#define EB_TYPES(From, To)                                                              \
  template bool round_rows(const From*, To*, int64_t, int64_t, int64_t, const Kernel&); \
  template bool round_lines(const From*, To*, int64_t, int64_t, int64_t, int64_t, const Kernel&);
EB_TYPES(float, float)
EB_TYPES(float, uint16_t)
EB_TYPES(uint16_t, uint16_t)
#undef EB_TYPES

}  // namespace earlybird::mx
