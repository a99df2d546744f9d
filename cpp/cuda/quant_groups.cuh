// Groups of eight neighbouring elements a thread, for the CUDA kernels of block floating point and MX. A group needs
// one call of Philox (two for short words; see quant/noise.h).
#pragma once

#include <cstdint>

#include "cuda/device.cuh"
#include "quant/noise.h"

namespace earlybird::quant {

inline constexpr int kGroup = 8;

__device__ inline void store(float& to, float value) { to = value; }
/// Exact, because a bfloat16 value rounded to any grid is a bfloat16 value.
__device__ inline void store(uint16_t& to, float value) { to = static_cast<uint16_t>(bits_of(value) >> 16); }

/// The part [first, last) of elements number ... number + 7.
struct Part {
  int first, last;
  __device__ bool whole() const { return first == 0 && last == kGroup; }
};

__device__ inline Part part_of(int64_t number, int64_t begin, int64_t end) {
  return {number < begin ? static_cast<int>(begin - number) : 0,
          number + kGroup > end ? static_cast<int>(end - number) : kGroup};
}

/// True where vector loads are possible: views of a tensor may begin anywhere.
template <class T>
__device__ inline bool in_vectors(const T* values, Part part) {
  return part.whole() && reinterpret_cast<uintptr_t>(values) % 16 == 0;
}

/// `values` is the tensor's memory and `number` a multiple of 8.
template <class T>
__device__ inline void read_group(const T* values, int64_t number, Part part, T* to) {
  if (in_vectors(values, part)) {
    const auto* from = reinterpret_cast<const uint4*>(values + number);
    for (int i = 0; i < static_cast<int>(kGroup * sizeof(T) / 16); ++i) reinterpret_cast<uint4*>(to)[i] = from[i];
  } else {
#pragma unroll
    for (int i = 0; i < kGroup; ++i) to[i] = i >= part.first && i < part.last ? values[number + i] : T{0};
  }
}

template <class T>
__device__ inline void write_group(T* values, int64_t number, Part part, const T* from) {
  if (in_vectors(values, part)) {
    auto* to = reinterpret_cast<uint4*>(values + number);
    for (int i = 0; i < static_cast<int>(kGroup * sizeof(T) / 16); ++i) to[i] = reinterpret_cast<const uint4*>(from)[i];
  } else {
#pragma unroll
    for (int i = 0; i < kGroup; ++i)
      if (i >= part.first && i < part.last) values[number + i] = from[i];
  }
}

/// Makes the random bits of a group.
__device__ inline void noise_group(const NoiseKey& key, int64_t number, const Grid& grid, uint32_t* noise) {
  if (grid.nearest) return;
  if (elements_a_call(grid.bits) == kGroup) {
    const Random4 call = noise_call(key, static_cast<uint32_t>(number / kGroup));
#pragma unroll
    for (int i = 0; i < kGroup; ++i) noise[i] = noise_in(call, i, 8);
  } else {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Random4 call = noise_call(key, static_cast<uint32_t>(number / 4 + half));
      for (int i = 0; i < 4; ++i) noise[4 * half + i] = call.word[i];
    }
  }
}

template <class T>
__device__ inline uint32_t largest_of(const T* values) {
  uint32_t top = 0;
#pragma unroll
  for (int i = 0; i < kGroup; ++i) top = max(top, magnitude(load(values[i])));
  return top;
}

/// Rounds a group in place; its elements belong to one block.
template <class Flavour, class T>
__device__ inline void round_group(T* values, uint32_t top, const typename Flavour::Scale& scale, const uint32_t* noise,
                                   const Grid& grid) {
  if (top >= kInfinity) return;
#pragma unroll
  for (int i = 0; i < kGroup; ++i)
    store(values[i], round_value<Flavour>(load(values[i]), top, scale, grid.nearest ? 0 : noise[i], grid));
}

/// The largest value of the thread block, returned to all of its threads (at most 1024).
__device__ inline uint32_t largest_in_block(uint32_t top) {
  __shared__ uint32_t warps[32];
  top = __reduce_max_sync(0xFFFFFFFFu, top);
  if (blockDim.x == 32) return top;
  __syncthreads();  // all threads have read the previous result
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = top;
  __syncthreads();
  return __reduce_max_sync(0xFFFFFFFFu, threadIdx.x % 32 < blockDim.x / 32 ? warps[threadIdx.x % 32] : 0u);
}

__device__ inline void note_fault(int64_t* faults, uint32_t top, const NoiseKey& key) {
  if (faults && top >= kInfinity)
    atomicMin(reinterpret_cast<long long*>(faults), static_cast<long long>(fault_of(key)));
}

}  // namespace earlybird::quant
