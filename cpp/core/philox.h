#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define EB_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define EB_HOST_DEVICE inline
#endif

namespace earlybird {

/// The use of a random number: part of the counter, so that two uses never share bits.
enum class Purpose : uint32_t { kShuffle = 1, kAugment = 2, kResizedCrop = 3, kScore = 4 };

struct Random4 {
  uint32_t word[4];
};

/// Philox4x32 (Salmon et al., SC 2011; ten rounds, of which seven pass BigCrush): four words from (seed; purpose,
/// epoch, index), the same on CPU and CUDA, at any thread count.
template <int kRounds = 10>
EB_HOST_DEVICE Random4 philox(uint64_t seed, Purpose purpose, uint32_t epoch, uint64_t index) {
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  uint32_t c0 = static_cast<uint32_t>(index), c1 = static_cast<uint32_t>(index >> 32), c2 = epoch,
           c3 = static_cast<uint32_t>(purpose);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = static_cast<uint64_t>(0xD2511F53u) * c0;
    const uint64_t product1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    const uint32_t next0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ key0;
    const uint32_t next2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ key1;
    c1 = static_cast<uint32_t>(product1);
    c3 = static_cast<uint32_t>(product0);
    c0 = next0;
    c2 = next2;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// Uniform integer in [0, bound) from one word (multiply-shift; the bias is below bound / 2^32).
EB_HOST_DEVICE uint32_t below(uint32_t word, uint32_t bound) {
  return static_cast<uint32_t>((static_cast<uint64_t>(word) * bound) >> 32);
}

}  // namespace earlybird
