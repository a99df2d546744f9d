#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/every_cpu.h"

// A few neighbouring values as one vector of float32, from memory of float32 or bfloat16. The conversion happens in
// registers: a pass over bfloat16 then moves half the bytes of one over float32.
namespace earlybird::lanes {

/// The types of vectors of `count` values. GCC takes no size that depends on a template's argument.
template <int count>
struct Of;
template <>
struct Of<8> {
  using Floats = float __attribute__((vector_size(32)));
  using Words = uint32_t __attribute__((vector_size(32)));
  using Halves = uint16_t __attribute__((vector_size(16)));
};
template <>
struct Of<4> {
  using Floats = float __attribute__((vector_size(16)));
  using Words = uint32_t __attribute__((vector_size(16)));
  using Halves = uint16_t __attribute__((vector_size(8)));
};
template <>
struct Of<1> {
  using Floats = float;
  using Words = uint32_t;
  using Halves = uint16_t;
};

template <class Floats>
inline constexpr int kCount = sizeof(Floats) / sizeof(float);

template <class To, class From>
EB_INLINE void convert(const From& from, To& to) {
  if constexpr (std::is_arithmetic_v<To>)
    to = static_cast<To>(from);
  else
    to = __builtin_convertvector(from, To);
}

template <class V>
EB_INLINE void load(V& out, const float* from) {
  std::memcpy(&out, from, sizeof(V));
}

template <class V>
EB_INLINE void load(V& out, const c10::BFloat16* from) {
  using Types = Of<kCount<V>>;
  typename Types::Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  typename Types::Words words;
  convert(halves, words);
  words <<= 16;
  std::memcpy(&out, &words, sizeof(V));
}

template <class V>
EB_INLINE void store(float* to, const V& value) {
  std::memcpy(to, &value, sizeof(V));
}

/// Rounds to nearest, ties to even; NaN stays NaN.
template <class V>
EB_INLINE void store(c10::BFloat16* to, const V& value) {
  using Types = Of<kCount<V>>;
  typename Types::Words bits;
  std::memcpy(&bits, &value, sizeof(V));
  const typename Types::Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const typename Types::Words kept = value == value ? rounded : (bits >> 16) | 0x40;
  typename Types::Halves halves;
  convert(kept, halves);
  std::memcpy(static_cast<void*>(to), &halves, sizeof halves);
}

/// Adds the last lanes of `value`, all but `skip` of them.
template <class V>
EB_INLINE void add_to(float* to, const V& value, int skip) {
  if (skip == 0) {
    V sum;
    load(sum, to);
    store(to, sum + value);
    return;
  }
  float lane[kCount<V>];
  store(lane, value);
  for (int i = skip; i < kCount<V>; ++i) to[i] += lane[i];
}

/// Calls `work` for all of `width` values with a null pointer of a vector type, whose size is the number of values, the
/// first one, and how many of them an earlier call has had: the last vector overlaps the one before it, because pruned
/// layers have any number of channels, and handling the rest one by one took as long as all the others.
template <class Work>
EB_INLINE void each(int64_t width, const Work& work) {
  int64_t k = 0;
  for (; k + 8 <= width; k += 8) work(static_cast<Of<8>::Floats*>(nullptr), k, 0);
  if (k == width) return;
  if (width >= 8) return work(static_cast<Of<8>::Floats*>(nullptr), width - 8, static_cast<int>(8 - (width - k)));
  if (width >= 4) {
    work(static_cast<Of<4>::Floats*>(nullptr), 0, 0);
    if (width > 4) work(static_cast<Of<4>::Floats*>(nullptr), width - 4, static_cast<int>(8 - width));
    return;
  }
  for (; k < width; ++k) work(static_cast<float*>(nullptr), k, 0);
}

}  // namespace earlybird::lanes
