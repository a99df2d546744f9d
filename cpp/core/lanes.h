#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/every_cpu.h"

// A few neighbouring values of float32 or bfloat16 memory as vectors of float32. The conversion happens in registers: a
// pass over bfloat16 then moves half the bytes of one over float32.
namespace earlybird::lanes {

using Eight = float __attribute__((vector_size(32)));
using Words = uint32_t __attribute__((vector_size(32)));
using Signs = int32_t __attribute__((vector_size(32)));

/// Sixteen values: of float32 the first and the last eight, of bfloat16 the even and the odd ones, which come out of
/// 32-bit words by a shift and a mask.
struct Sixteen {
  Eight a, b;
};
/// One value.
struct One {
  float a;
};

template <class V>
inline constexpr int kCount = sizeof(V) / sizeof(float);

#define EB_LANES_OPERATOR(op)                                                                            \
  EB_INLINE Sixteen operator op(const Sixteen& x, const Sixteen& y) { return {x.a op y.a, x.b op y.b}; } \
  EB_INLINE One operator op(const One& x, const One& y) { return {x.a op y.a}; }
EB_LANES_OPERATOR(+)
EB_LANES_OPERATOR(-)
EB_LANES_OPERATOR(*)
#undef EB_LANES_OPERATOR

/// `value` where `sign` is above zero, else zero; NaN of `sign` counts as above.
EB_INLINE Sixteen where_positive(const Sixteen& sign, const Sixteen& value) {
  const Eight zero{};
  return {sign.a <= zero ? zero : value.a, sign.b <= zero ? zero : value.b};
}
EB_INLINE One where_positive(const One& sign, const One& value) { return {sign.a <= 0 ? 0 : value.a}; }

/// ReLU, which keeps NaN, like LibTorch's.
EB_INLINE Sixteen relu(const Sixteen& x) {
  const Eight zero{};
  return {x.a < zero ? zero : x.a, x.b < zero ? zero : x.b};
}
EB_INLINE One relu(const One& x) { return {x.a < 0 ? 0 : x.a}; }

// --- Float32 memory ---

EB_INLINE void load(Sixteen& out, const float* from) {
  std::memcpy(&out.a, from, sizeof out.a);
  std::memcpy(&out.b, from + 8, sizeof out.b);
}
EB_INLINE void load(One& out, const float* from) { out.a = *from; }
EB_INLINE void store(float* to, const Sixteen& value) {
  std::memcpy(to, &value.a, sizeof value.a);
  std::memcpy(to + 8, &value.b, sizeof value.b);
}
EB_INLINE void store(float* to, const One& value) { *to = value.a; }

// --- Bfloat16 memory ---

EB_INLINE void load(Sixteen& out, const c10::BFloat16* from) {
  Words words;
  std::memcpy(&words, from, sizeof words);
  const Words even = words << 16, odd = words & 0xffff0000;
  std::memcpy(&out.a, &even, sizeof even);
  std::memcpy(&out.b, &odd, sizeof odd);
}
EB_INLINE void load(One& out, const c10::BFloat16* from) { out.a = static_cast<float>(*from); }

/// The upper halves are the bfloat16 values, rounded to nearest, ties to even; NaN stays NaN.
EB_INLINE void round_upper(const Eight& value, Words& out) {
  Words bits, quiet;
  std::memcpy(&bits, &value, sizeof bits);
  quiet = Words{} + 0x7fc00000;
  out = bits + 0x7fff + ((bits >> 16) & 1);
  out = value == value ? out : quiet;
}
EB_INLINE void store(c10::BFloat16* to, const Sixteen& value) {
  Words even, odd;
  round_upper(value.a, even);
  round_upper(value.b, odd);
  const Words words = (even >> 16) | (odd & 0xffff0000);
  std::memcpy(static_cast<void*>(to), &words, sizeof words);
}
EB_INLINE void store(c10::BFloat16* to, const One& value) { *to = static_cast<c10::BFloat16>(value.a); }

// --- Float32 memory in the order of the lanes of T: "slots" ---

template <class T, class V>
EB_INLINE void load_beside(V& out, const float* from) {
  load(out, from);
  if constexpr (sizeof(T) == 2 && kCount<V> == 16) {
    const Sixteen in = out;
    out.a = __builtin_shuffle(in.a, in.b, Signs{0, 2, 4, 6, 8, 10, 12, 14});
    out.b = __builtin_shuffle(in.a, in.b, Signs{1, 3, 5, 7, 9, 11, 13, 15});
  }
}

template <class T, class V>
EB_INLINE void store_beside(float* to, const V& value) {
  if constexpr (sizeof(T) == 2 && kCount<V> == 16)
    store(to, Sixteen{__builtin_shuffle(value.a, value.b, Signs{0, 8, 1, 9, 2, 10, 3, 11}),
                      __builtin_shuffle(value.a, value.b, Signs{4, 12, 5, 13, 6, 14, 7, 15})});
  else
    store(to, value);
}

/// The number of slots for `width` values.
constexpr int64_t slots(int64_t width) { return width < 16 ? width : (width + 15) / 16 * 16; }

/// Asks for the memory of `count` values, which are needed soon: kernels go down a few rows of channels at once, and
/// processors do not foresee the lines that this needs.
template <class T>
EB_INLINE void prefetch(const T* from, int64_t count) {
  const auto* line = reinterpret_cast<const char*>(from);
  for (const auto* end = line + count * static_cast<int64_t>(sizeof(T)); line < end; line += 64)
    __builtin_prefetch(line);
}

/// Calls `work` for all of `width` values with a null pointer of a vector type, whose size is the number of values, the
/// first one, and its slot. The last vector overlaps the one before it and has slots of its own: pruned layers have any
/// number of channels, and handling the rest one by one took as long as all the others.
template <class Work>
EB_INLINE void each(int64_t width, const Work& work) {
  int64_t k = 0;
  for (; k + 16 <= width; k += 16) work(static_cast<Sixteen*>(nullptr), k, k);
  if (k == width) return;
  if (width >= 16) return work(static_cast<Sixteen*>(nullptr), width - 16, k);
  for (; k < width; ++k) work(static_cast<One*>(nullptr), k, k);
}

/// Copies values into slots.
template <class T>
void to_slots(const float* from, int64_t width, float* to) {
  each(width, [=](auto* type, int64_t k, int64_t slot) {
    std::remove_pointer_t<decltype(type)> value;
    load_beside<T>(value, from + k);
    store(to + slot, value);
  });
}

}  // namespace earlybird::lanes
