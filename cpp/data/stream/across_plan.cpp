#include "data/stream/across_plan.h"

#include <algorithm>

#include "data/stream/resample.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace earlybird {
namespace {

constexpr size_t kRegister = 32, kHalfRegister = 16;
constexpr uint8_t kNothing = 0x80;  // shuffles a zero
/// A run is made in half a register: sums of 32 bits, or with two taps differences of 16 bits.
constexpr size_t run_bytes(int taps) { return taps == 2 ? 8 : 4; }

/// Runs in the order of their use. The packs at the end put the lower halves of all registers before the upper ones.
size_t place_of(size_t run, size_t runs) {
  const size_t half = runs / 2, in_register = run % runs;
  return run - in_register + in_register % half * 2 + in_register / half;
}

}  // namespace

bool AcrossPlan::set(const ResampleAxis& axis) {
  taps_ = axis.taps;
  const size_t bytes = axis.first.size() * 3, each = run_bytes(taps_);
  registers_ = (bytes + kRegister - 1) / kRegister;
  const size_t runs = registers_ * kRegister / each;
  offsets_.assign(runs, 0);
  shuffles_.assign(runs * kHalfRegister * (taps_ == 2 ? 2 : 1), kNothing);
  weights_.assign(runs * 8 * static_cast<size_t>(taps_ / 2), 0);
  for (size_t run = 0; run * each < bytes; ++run)
    if (!set_run(axis, run, bytes)) return false;
  return true;
}

bool AcrossPlan::set_run(const ResampleAxis& axis, size_t run, size_t bytes) {
  const size_t each = run_bytes(taps_), begin = run * each, end = std::min(begin + each, bytes);
  const size_t place = place_of(run, kRegister / each), pairs = static_cast<size_t>(taps_ / 2);
  int32_t base = axis.first[begin / 3];
  for (size_t pixel = begin / 3; pixel <= (end - 1) / 3; ++pixel) base = std::min(base, axis.first[pixel]);
  offsets_[place] = base * 3;
  for (size_t byte = begin; byte < end; ++byte) {
    const size_t pixel = byte / 3, slot = byte - begin;
    const int32_t from = (axis.first[pixel] - base) * 3 + static_cast<int32_t>(byte % 3);
    if (from + 3 >= static_cast<int32_t>(kHalfRegister)) return false;
    const int16_t* weight = &axis.weights[pixel * static_cast<size_t>(taps_)];
    const auto first = static_cast<uint8_t>(from), second = static_cast<uint8_t>(from + 3);
    // Registers hold two runs, side by side.
    const size_t pair = place / 2, half = place % 2;
    if (taps_ == 2) {
      const bool swapped = weight[1] > weight[0];
      uint8_t* shuffle = &shuffles_[pair * 2 * kRegister + half * kHalfRegister + slot * 2];
      shuffle[0] = swapped ? second : first;
      shuffle[kRegister] = swapped ? first : second;
      weights_[place * 8 + slot] = static_cast<int16_t>(2 * (swapped ? weight[0] : weight[1]));
      continue;
    }
    uint8_t* shuffle = &shuffles_[place * kHalfRegister + slot * 4];
    shuffle[0] = first;
    shuffle[2] = second;
    for (size_t p = 0; p < pairs; ++p)
      for (size_t k : {0, 1}) weights_[((pair * pairs + p) * 2 + half) * 8 + slot * 2 + k] = weight[2 * p + k];
  }
  return true;
}

void AcrossPlan::run(const uint8_t* row, uint8_t* out) const {
  if (taps_ == 2)
    run_two(row, out);
  else
    run_pairs(row, out);
}

#if defined(__x86_64__)

namespace {

__attribute__((target("avx2"))) inline __m256i two_halves(const uint8_t* a, const uint8_t* b) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a))),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(b)), 1);
}

__attribute__((target("avx2"))) inline __m256i load_register(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

}  // namespace

__attribute__((target("avx2"))) void AcrossPlan::run_pairs(const uint8_t* row, uint8_t* out) const {
  const __m256i half = _mm256_set1_epi32(1 << (ResampleAxis::kBits - 1));
  const int32_t* offset = offsets_.data();
  const uint8_t* shuffle = shuffles_.data();
  const int16_t* weight = weights_.data();
  for (size_t r = 0; r < registers_; ++r, out += kRegister) {
    __m256i sums[4];
    for (__m256i& sum : sums) {
      const __m256i order = load_register(shuffle);
      sum = half;
      for (int t = 0; t < taps_; t += 2, weight += 16) {
        const __m256i pixels = two_halves(row + offset[0] + t * 3, row + offset[1] + t * 3);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, order), load_register(weight)));
      }
      sum = _mm256_srai_epi32(sum, ResampleAxis::kBits);
      offset += 2;
      shuffle += kRegister;
    }
    const __m256i packed =
        _mm256_packus_epi16(_mm256_packs_epi32(sums[0], sums[1]), _mm256_packs_epi32(sums[2], sums[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), packed);
  }
}

/// Computes near + round((far - near) * weight), which is the weighted sum, because the weights sum to one.
__attribute__((target("avx2"))) void AcrossPlan::run_two(const uint8_t* row, uint8_t* out) const {
  const int32_t* offset = offsets_.data();
  const uint8_t* shuffle = shuffles_.data();
  const int16_t* weight = weights_.data();
  for (size_t r = 0; r < registers_; ++r, out += kRegister) {
    __m256i sums[2];
    for (__m256i& sum : sums) {
      const __m256i pixels = two_halves(row + offset[0], row + offset[1]);
      const __m256i near = _mm256_shuffle_epi8(pixels, load_register(shuffle));
      const __m256i far = _mm256_shuffle_epi8(pixels, load_register(shuffle + kRegister));
      sum = _mm256_add_epi16(near, _mm256_mulhrs_epi16(_mm256_sub_epi16(far, near), load_register(weight)));
      offset += 2;
      shuffle += 2 * kRegister;
      weight += 16;
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_packus_epi16(sums[0], sums[1]));
  }
}

#else

void AcrossPlan::run_pairs(const uint8_t*, uint8_t*) const {}
void AcrossPlan::run_two(const uint8_t*, uint8_t*) const {}

#endif

}  // namespace earlybird
