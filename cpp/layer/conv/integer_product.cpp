#include "layer/conv/integer_product.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
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
/// Magnitude below which the steps would be subnormal.
constexpr float kSmallest = 1e-30f;
constexpr uint32_t kMagnitude = 0x7fffffff, kInfinity = 0x7f800000;

/// The step between integers, and its inverse.
struct Steps {
  float scale, inverse;
};

/// Takes the bits of the largest magnitude: as integers, NaN is above infinity, and infinity above every number.
Steps steps_for(uint32_t magnitude) {
  if (magnitude >= kInfinity) return {NAN, 0};
  const auto largest = std::bit_cast<float>(magnitude);
  if (largest < kSmallest) return {0, 0};
  return {largest / kLargest, kLargest / largest};
}

int32_t integer_of(float value, float inverse) {
  return inverse == 0 ? 0 : static_cast<int32_t>(std::nearbyint(value * inverse));
}

float word_of(int32_t low, int32_t high) {
  return std::bit_cast<float>((static_cast<uint32_t>(low) & 0xffff) | static_cast<uint32_t>(high) << 16);
}

#ifdef EB_HAS_VARIANTS
#define EB_VNNI 1
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,avx512vnni")
namespace vnni {
#define EB_VECTOR_BYTES 64
#define EB_TILE_ROWS 8
#include "layer/conv/product_tiles.h"
#undef EB_VECTOR_BYTES
#undef EB_TILE_ROWS

struct Integers {
  using Sum = __m512i;
  using Result = float;
  static constexpr int64_t kPlaces = kWords;
  const float *rows, *columns;

  static Sum plus(Sum sum, const float& left, const Sum& right) {
    const __m512i words = _mm512_set1_epi32(std::bit_cast<int32_t>(left));
    // GCC 12 copies each sum back and forth around the intrinsic, which halves the speed.
    asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(right), "v"(words));
    return sum;
  }
  V value(const Sum& sum, int64_t row, int64_t column) const {
    const __m512 scales = _mm512_mul_ps(_mm512_loadu_ps(columns + column), _mm512_set1_ps(rows[row]));
    return (V)_mm512_mul_ps(_mm512_cvtepi32_ps(sum), scales);
  }
};

inline __m512i magnitude(__m512 values) {
  return _mm512_and_si512(_mm512_castps_si512(values), _mm512_set1_epi32(kMagnitude));
}

/// Loads all 16 values, or those that `mask` names; the others become zero.
inline __m512 load_some(const float* from, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, from); }

inline __mmask16 first(int64_t count) { return count >= 16 ? 0xffff : static_cast<__mmask16>((1u << count) - 1); }

/// A factor of zero makes zeros of NaN and infinity too.
inline __m512i integers(__m512 values, __m512 inverse) {
  const __mmask16 some = _mm512_cmp_ps_mask(inverse, _mm512_setzero_ps(), _CMP_NEQ_OQ);
  return _mm512_maskz_cvtps_epi32(some, _mm512_mul_ps(values, inverse));
}

void row_to_integers(const float* from, int64_t count, float* to, float& scale) {
  __m512i most = _mm512_setzero_si512();
  for (int64_t i = 0; i < count; i += 16)
    most = _mm512_max_epu32(most, magnitude(load_some(from + i, first(count - i))));
  const Steps steps = steps_for(_mm512_reduce_max_epu32(most));
  scale = steps.scale;
  const __m512 inverse = _mm512_set1_ps(steps.inverse);
  auto* words = reinterpret_cast<char*>(to);
  for (int64_t i = 0; i < count; i += 16) {
    const __m256i halves = _mm512_cvtepi32_epi16(integers(load_some(from + i, first(count - i)), inverse));
    const int64_t whole = std::min<int64_t>(16, count - i + (count & 1));
    _mm256_mask_storeu_epi16(words + i * 2, first(whole), halves);
  }
}

void block_to_integers(const float* from, int64_t stride, int64_t rows, float* to, int64_t to_stride, float* scales) {
  __m512i most = _mm512_setzero_si512();
  for (int64_t r = 0; r < rows; ++r) most = _mm512_max_epu32(most, magnitude(_mm512_loadu_ps(from + r * stride)));
  alignas(64) uint32_t magnitudes[kBlock];
  alignas(64) float inverses[kBlock];
  _mm512_store_si512(magnitudes, most);
  for (int c = 0; c < kBlock; ++c) {
    const Steps steps = steps_for(magnitudes[c]);
    scales[c] = steps.scale;
    inverses[c] = steps.inverse;
  }
  const __m512 inverse = _mm512_load_ps(inverses);
  for (int64_t r = 0; r < rows; r += 2, to += to_stride) {
    const __m512 second = r + 1 < rows ? _mm512_loadu_ps(from + (r + 1) * stride) : _mm512_setzero_ps();
    const __m512i low = integers(_mm512_loadu_ps(from + r * stride), inverse), high = integers(second, inverse);
    _mm512_storeu_si512(to,
                        _mm512_or_si512(_mm512_and_si512(low, _mm512_set1_epi32(0xffff)), _mm512_slli_epi32(high, 16)));
  }
}

}  // namespace vnni
#pragma GCC pop_options
#endif

}  // namespace

bool multiplies_integers() {
#if defined(EB_VNNI)
  static const bool has = __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni");
  return has;
#else
  return false;
#endif
}

void row_to_integers(const float* from, int64_t count, float* to, float& scale) {
#if defined(EB_VNNI)
  if (multiplies_integers()) return vnni::row_to_integers(from, count, to, scale);
#endif
  row_to_integers_plain(from, count, to, scale);
}

void block_to_integers(const float* from, int64_t stride, int64_t rows, float* to, int64_t to_stride, float* scales) {
#if defined(EB_VNNI)
  if (multiplies_integers()) return vnni::block_to_integers(from, stride, rows, to, to_stride, scales);
#endif
  block_to_integers_plain(from, stride, rows, to, to_stride, scales);
}

void multiply_integers(int64_t rows, int64_t columns, int64_t depth, Matrix left, const float* left_scales,
                       bool transposed, Matrix right, const float* right_scales, Matrix result, bool add) {
#if defined(EB_VNNI)
  if (multiplies_integers())
    return vnni::multiply_by(vnni::Integers{left_scales, right_scales}, rows, columns, depth, left, transposed, right,
                             result, add);
#endif
  multiply_integers_plain(rows, columns, depth, left, left_scales, transposed, right, right_scales, result, add);
}

void row_to_integers_plain(const float* from, int64_t count, float* to, float& scale) {
  uint32_t most = 0;
  for (int64_t i = 0; i < count; ++i) most = std::max(most, std::bit_cast<uint32_t>(from[i]) & kMagnitude);
  const Steps steps = steps_for(most);
  scale = steps.scale;
  for (int64_t i = 0; i < count; i += 2)
    to[i / 2] = word_of(integer_of(from[i], steps.inverse), i + 1 < count ? integer_of(from[i + 1], steps.inverse) : 0);
}

void block_to_integers_plain(const float* from, int64_t stride, int64_t rows, float* to, int64_t to_stride,
                             float* scales) {
  for (int64_t c = 0; c < kBlock; ++c) {
    uint32_t most = 0;
    for (int64_t r = 0; r < rows; ++r)
      most = std::max(most, std::bit_cast<uint32_t>(from[r * stride + c]) & kMagnitude);
    const Steps steps = steps_for(most);
    scales[c] = steps.scale;
    for (int64_t r = 0; r < rows; r += 2)
      to[r / 2 * to_stride + c] = word_of(integer_of(from[r * stride + c], steps.inverse),
                                          r + 1 < rows ? integer_of(from[(r + 1) * stride + c], steps.inverse) : 0);
  }
}

void multiply_integers_plain(int64_t rows, int64_t columns, int64_t depth, Matrix left, const float* left_scales,
                             bool transposed, Matrix right, const float* right_scales, Matrix result, bool add) {
  const auto halves = [](float word) {
    const auto bits = std::bit_cast<uint32_t>(word);
    return std::pair<int32_t, int32_t>(static_cast<int16_t>(bits), static_cast<int16_t>(bits >> 16));
  };
  for (int64_t begin = 0; begin == 0 || begin < depth; begin += kWords)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        int32_t sum = 0;
        for (int64_t k = begin; k < std::min(depth, begin + kWords); ++k) {
          const auto [a, b] = halves(transposed ? *left.at(k, r) : *left.at(r, k));
          const auto [x, y] = halves(*right.at(k, c));
          sum += a * x + b * y;
        }
        const float value = static_cast<float>(sum) * (right_scales[c] * left_scales[r]);
        *result.at(r, c) = add || begin > 0 ? *result.at(r, c) + value : value;
      }
}

}  // namespace earlybird::product
