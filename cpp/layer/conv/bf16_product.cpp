#include "layer/conv/bf16_product.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/every_cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace earlybird::product {
namespace {

/// Words of the depth that are summed in one sequence.
constexpr int64_t kWords = kDepth / 2;

#ifdef EB_HAS_VARIANTS
#define EB_PAIRS 1
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,avx512bf16")
namespace pairs {
#define EB_VECTOR_BYTES 64
#define EB_TILE_ROWS 8
#include "layer/conv/product_tiles.h"
#undef EB_VECTOR_BYTES
#undef EB_TILE_ROWS

struct Pairs {
  using Sum = V;
  using Result = float;
  static constexpr int64_t kPlaces = kWords;

  static Sum plus(Sum sum, const float& left, const Sum& right) {
    const __m512 words = _mm512_set1_ps(left);
    // As in integer_product.cpp: GCC 12 copies each sum back and forth around the intrinsic.
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(right), "v"(words));
    return sum;
  }
  static V& value(Sum& sum, int64_t, int64_t) { return sum; }
};

inline __mmask16 first(int64_t count) { return count >= 16 ? 0xffff : static_cast<__mmask16>((1u << count) - 1); }

inline __m512 widened(const uint16_t* from, __mmask16 some) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, from)), 16));
}

/// Stores the first `count` values, all of them in the usual case, in which no mask slows it down.
inline void store_halves(uint16_t* to, __m512 values, int64_t count) {
  const auto halves = (__m256i)_mm512_cvtneps_pbh(values);
  if (count >= 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), halves);
  else
    _mm256_mask_storeu_epi16(to, first(count), halves);
}

/// Rounds the sums as they leave the registers.
struct PairsToBf16 : Pairs {
  using Result = uint16_t;

  static void store(uint16_t* to, const V& sums, int64_t count) { store_halves(to, (__m512)sums, count); }
};

void sums_to_bf16(const float* from, int64_t count, uint16_t* to) {
  for (int64_t i = 0; i < count; i += 16)
    PairsToBf16::store(to + i, (V)_mm512_maskz_loadu_ps(first(count - i), from + i), count - i);
}

void norm_relu_rows(const uint16_t* from, int64_t rows, int64_t width, const float* scale, const float* shift,
                    uint16_t* to) {
  const __m512 zero = _mm512_setzero_ps();
  for (int64_t c = 0; c < width; c += 16) {
    const __mmask16 some = first(width - c);
    const __m512 a = _mm512_maskz_loadu_ps(some, scale + c), b = _mm512_maskz_loadu_ps(some, shift + c);
    for (int64_t r = 0; r < rows; ++r) {
      const __m512 value = widened(from + r * width + c, some);
      // Not fused, as in fused_norm; the second operand of a maximum with NaN is its result.
      const __m512 normed = _mm512_max_ps(zero, _mm512_add_ps(_mm512_mul_ps(value, a), b));
      store_halves(to + r * width + c, normed, width - c);
    }
  }
}

}  // namespace pairs
#pragma GCC pop_options
#endif

/// A subnormal value becomes zero.
float flushed(float value) {
  return std::fabs(value) < std::numeric_limits<float>::min() ? std::copysign(0.0f, value) : value;
}

std::pair<float, float> halves(float word) {
  const auto bits = std::bit_cast<uint32_t>(word);
  return {flushed(std::bit_cast<float>(bits << 16)), flushed(std::bit_cast<float>(bits & 0xffff0000))};
}

}  // namespace

bool multiplies_pairs() {
#if defined(EB_PAIRS)
  static const bool has = __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16");
  return has;
#else
  return false;
#endif
}

float pair_of(float low, float high) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(low) >> 16 | (std::bit_cast<uint32_t>(high) & 0xffff0000));
}

void rows_to_pairs(const c10::BFloat16* from, int64_t rows, int64_t width, float* to) {
  for (int64_t r = 0; r < rows; ++r, from += width, to += pairs_of(width)) {
    to[pairs_of(width) - 1] = 0;
    std::memcpy(to, from, width * sizeof(c10::BFloat16));
  }
}

EB_EVERY_CPU void block_to_pairs(const c10::BFloat16* from, int64_t stride, int64_t rows, int64_t columns, float* to) {
  // As vectors, since GCC loads the values one by one in a plain loop.
  using Halves = uint16_t __attribute__((vector_size(32)));
  using Words = uint32_t __attribute__((vector_size(64)));
  const size_t bytes = std::min(columns, kBlock) * sizeof(c10::BFloat16);
  for (int64_t r = 0; r < rows; r += 2, from += 2 * stride, to += kBlock) {
    Halves low{}, high{};
    if (bytes == sizeof low && r + 1 < rows) {
      std::memcpy(&low, from, sizeof low);
      std::memcpy(&high, from + stride, sizeof high);
    } else {
      std::memcpy(&low, from, bytes);
      if (r + 1 < rows) std::memcpy(&high, from + stride, bytes);
    }
    const Words words = __builtin_convertvector(low, Words) | __builtin_convertvector(high, Words) << 16;
    std::memcpy(to, &words, sizeof words);
  }
}

void multiply_pairs_to_bf16(int64_t rows, int64_t columns, int64_t depth, Matrix left, Matrix right,
                            c10::BFloat16* result, float* room) {
  const Matrix sums{room, columns, kBlock};
#if defined(EB_PAIRS)
  auto* halves = reinterpret_cast<uint16_t*>(result);
  if (multiplies_pairs() && depth <= kWords)
    return pairs::multiply_by(pairs::PairsToBf16(), rows, columns, depth, left, false, right,
                              {reinterpret_cast<float*>(halves), columns, kBlock}, false);
  if (multiplies_pairs()) {
    pairs::multiply_by(pairs::Pairs(), rows, columns, depth, left, false, right, sums, false);
    return pairs::sums_to_bf16(room, rows * columns, halves);
  }
#endif
  multiply_pairs_plain(rows, columns, depth, left, false, right, sums, false);
  for (int64_t i = 0; i < rows * columns; ++i) result[i] = static_cast<c10::BFloat16>(flushed(room[i]));
}

void norm_relu_to_bf16([[maybe_unused]] const c10::BFloat16* from, [[maybe_unused]] int64_t rows,
                       [[maybe_unused]] int64_t width, [[maybe_unused]] const float* scale,
                       [[maybe_unused]] const float* shift, [[maybe_unused]] c10::BFloat16* to) {
#if defined(EB_PAIRS)
  pairs::norm_relu_rows(reinterpret_cast<const uint16_t*>(from), rows, width, scale, shift,
                        reinterpret_cast<uint16_t*>(to));
#endif
}

void multiply_pairs(int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed, Matrix right,
                    Matrix result, bool add) {
#if defined(EB_PAIRS)
  if (multiplies_pairs())
    return pairs::multiply_by(pairs::Pairs(), rows, columns, depth, left, transposed, right, result, add);
#endif
  multiply_pairs_plain(rows, columns, depth, left, transposed, right, result, add);
}

void multiply_pairs_plain(int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed, Matrix right,
                          Matrix result, bool add) {
  for (int64_t begin = 0; begin == 0 || begin < depth; begin += kWords)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        float sum = 0;
        for (int64_t k = begin; k < std::min(depth, begin + kWords); ++k) {
          const auto [a, b] = halves(transposed ? *left.at(k, r) : *left.at(r, k));
          const auto [x, y] = halves(*right.at(k, c));
          sum = flushed(std::fma(b, y, sum));
          sum = flushed(std::fma(a, x, sum));
        }
        *result.at(r, c) = add || begin > 0 ? *result.at(r, c) + sum : sum;
      }
}

}  // namespace earlybird::product
