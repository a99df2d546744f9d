#include "quant/noise_cpu.h"

#include "core/every_cpu.h"

#ifdef EB_HAS_VARIANTS
#include <immintrin.h>
#endif

namespace earlybird::quant {
namespace {

#ifdef EB_HAS_VARIANTS

// Uses the masked form with a mask of ones, because GCC 12 warns of an undefined value in the form without a mask.
#define EB_EVEN_PRODUCT(a, b) reinterpret_cast<Lanes>(_mm512_maskz_mul_epu32(0xFF, (__m512i)(a), (__m512i)(b)))
#define EB_LANE_BYTES 64
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
namespace v4 {
#include "quant/philox_lanes.inc"
}
#pragma GCC pop_options
#undef EB_LANE_BYTES
#undef EB_EVEN_PRODUCT

#define EB_EVEN_PRODUCT(a, b) reinterpret_cast<Lanes>(_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define EB_LANE_BYTES 32
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
namespace v3 {
#include "quant/philox_lanes.inc"
}
#pragma GCC pop_options
#undef EB_LANE_BYTES
#undef EB_EVEN_PRODUCT

// Callers in this file get the overload for the widest vectors that the processor has.
#define EB_FOR_CPU(name) __attribute__((target(name)))

EB_FOR_CPU("arch=x86-64-v4") void fill_here(const NoiseKey& key, uint32_t first, int64_t calls, uint64_t* words) {
  v4::fill(key, first, calls, words);
}

EB_FOR_CPU("arch=x86-64-v3") void fill_here(const NoiseKey& key, uint32_t first, int64_t calls, uint64_t* words) {
  v3::fill(key, first, calls, words);
}

EB_FOR_CPU("default")
#endif
void fill_here(const NoiseKey& key, uint32_t first, int64_t calls, uint64_t* words) {
  for (int64_t call = 0; call < calls; ++call) {
    const Random4 random = noise_call(key, first + static_cast<uint32_t>(call));
    memcpy(words + 2 * call, random.word, sizeof random.word);
  }
}

}  // namespace

void fill_noise(const NoiseKey& key, uint32_t first, int64_t calls, uint64_t* words) {
  fill_here(key, first, calls, words);
}

}  // namespace earlybird::quant
