// The kernel of mask_bits: the masks of all ratios in one launch, one thread for each byte of eight channels.
#pragma once

#include "cuda/device.cuh"
#include "prune/mask_rule.h"

namespace earlybird::cuda_mask_bits {

inline constexpr int kThreads = 256, kPositions = 64, kThresholdBytes = 4;

struct Positions {
  int64_t at[kPositions];
};

/// `kept_above` may be null. Each row of the grid makes the mask of a ratio; `out` has the rows one after another.
__global__ inline void mask_bits_kernel(const int32_t* magnitude, const int32_t* pool, Positions positions,
                                        const int32_t* kept_above, int64_t channels, uint8_t* out) {
  const int64_t bytes = (channels + 7) / 8;
  const int64_t byte = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (byte >= bytes) return;
  const int32_t threshold = pool[positions.at[blockIdx.y]];
  uint8_t* row = out + blockIdx.y * (kThresholdBytes + bytes);
  if (byte == 0)
    for (int i = 0; i < kThresholdBytes; ++i)
      row[i] = static_cast<uint8_t>(static_cast<uint32_t>(threshold) >> (8 * i));  // rows are not aligned
  unsigned bits = 0;
  for (int i = 0; i < 8; ++i) {
    const int64_t channel = byte * 8 + i;
    if (channel < channels && is_kept(magnitude[channel], threshold, kept_above ? kept_above[channel] : kNever))
      bits |= 0x80u >> i;
  }
  row[kThresholdBytes + byte] = static_cast<uint8_t>(bits);
}

/// Uses `count` positions, at most kPositions.
inline void mask_bits(const int32_t* magnitude, const int32_t* pool, const Positions& positions, int count,
                      const int32_t* kept_above, int64_t channels, uint8_t* out, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>(((channels + 7) / 8 + kThreads - 1) / kThreads);
  launch(mask_bits_kernel, dim3(blocks, static_cast<unsigned>(count)), kThreads, 0, stream, magnitude, pool, positions,
         kept_above, channels, out);
}

}  // namespace earlybird::cuda_mask_bits
