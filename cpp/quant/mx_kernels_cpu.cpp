#include "quant/mx_kernels_cpu.h"

#include <algorithm>
#include <type_traits>

#include "quant/noise_cpu.h"

namespace earlybird::mx {
namespace {

/// The random bits of neighbouring elements.
class Noise {
 public:
  /// The bits of `count` elements from `number` on, at most kChunk.
  const uint16_t* of(const quant::NoiseKey& key, int64_t number, int64_t count) {
    const int64_t a_call = quant::elements_a_call(quant::kHalfWordNoise), group = number / a_call;
    quant::fill_noise(key, static_cast<uint32_t>(group), (number + count - 1) / a_call + 1 - group, words_);
    return reinterpret_cast<const uint16_t*>(words_) + (number - group * a_call);
  }

 private:
  alignas(64) uint64_t words_[2 * (kChunk / 8 + 1 + 31)];
};

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
      line(quant::NoNoise{});
  }
  return false;
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
        fault = rows<kKind, kRounding>(from, to, count, length, number, quant::NoNoise{}, kernel);                  \
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
