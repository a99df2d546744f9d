// Sums over the pixels of each channel in one launch and in a fixed order: thread blocks write partial sums, and the
// last block to arrive adds them and finishes.
#pragma once

#include "cuda/pixel_lines.cuh"

namespace earlybird::cuda_norm {

/// Counters of arrived blocks, zero between launches. Each stream has its own set, because kernels of one stream run
/// one after another. A captured graph uses the set of the stream that captured it, and must not run beside other work
/// of that stream.
inline constexpr int kSets = 64, kCounters = 256;
static __device__ uint32_t arrivals[kSets * kCounters];

/// The memory of a reduction: `partial` has partial_floats() elements.
struct Reduction {
  float* partial;
  int set;
};

/// True where each tile has a last block of its own, which needs lines of one pixel. Otherwise one block finishes all
/// tiles.
__host__ __device__ inline bool is_finished_by_tile(const Lines& lines) {
  return lines.pixels_a_line == 1 && lines.tiles <= kCounters;
}

/// Thread blocks of a launch with one thread for each channel.
inline unsigned blocks_of_channels(int channels) { return static_cast<unsigned>((channels + kThreads - 1) / kThreads); }

template <class T>
int64_t partial_floats(const Lines& lines) {
  return int64_t{2} * reducing_blocks(lines).x * lines.columns * kWide<T>;
}

template <class T>
size_t reducing_bytes() {
  return size_t{2} * kThreads * kWide<T> * sizeof(float);
}

/// Writes the sums of two quantities over the block's lines to `partial`: [quantity][block][position in a line].
template <class T>
__device__ void leave_partial_sums(const Lines& lines, const Place<T>& place, const Reduction& reduction,
                                   float (&sums)[2][kWide<T>]) {
  float* shared = dynamic_shared<float>();  // [quantity][element of a column][thread]
  // The lower half of the rows adds the sums of the upper half, until one row is left.
  for (int rows = lines.rows, half; rows > 1; rows = half) {
    half = (rows + 1) / 2;
    const bool gives = place.row >= half && place.row < rows, takes = place.row + half < rows;
    const int other = static_cast<int>(threadIdx.x) + half * lines.tile;
    if (gives)
#pragma unroll
      for (int i = 0; i < 2 * kWide<T>; ++i) shared[i * kThreads + threadIdx.x] = sums[i / kWide<T>][i % kWide<T>];
    __syncthreads();
    if (takes)
#pragma unroll
      for (int i = 0; i < 2 * kWide<T>; ++i) sums[i / kWide<T>][i % kWide<T>] += shared[i * kThreads + other];
  }
  if (!place.works || place.row > 0) return;
  const int64_t line = int64_t{lines.columns} * kWide<T>;
  for (int q = 0; q < 2; ++q)
#pragma unroll
    for (int j = 0; j < kWide<T>; ++j)
      reduction.partial[(q * gridDim.x + blockIdx.x) * line + place.position(j)] = sums[q][j];
}

/// True where all other blocks of the same channels are done. All threads of the block must call it.
__device__ inline bool is_last_block(const Lines& lines, const Reduction& reduction) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    const bool by_tile = is_finished_by_tile(lines);
    const uint32_t all = by_tile ? gridDim.x : gridDim.x * gridDim.y;
    // The last block sets the counter back to zero.
    last = atomicInc(&arrivals[reduction.set * kCounters + (by_tile ? blockIdx.y : 0)], all - 1) == all - 1;
  }
  __syncthreads();
  __threadfence();
  return last;
}

/// Calls finish(channel, first sum, second sum) for each channel, once in the whole launch. All threads must call it.
template <class T, class Finish>
__device__ void sum_channels(const Lines& lines, const Place<T>& place, const Reduction& reduction,
                             float (&sums)[2][kWide<T>], const Finish& finish) {
  leave_partial_sums(lines, place, reduction, sums);
  if (!is_last_block(lines, reduction)) return;
  __shared__ double slices[2][kThreads];
  const bool by_tile = is_finished_by_tile(lines);
  const int width = lines.tile * kWide<T>, thread = static_cast<int>(threadIdx.x);
  const int begin = by_tile ? static_cast<int>(blockIdx.y) * width : 0;
  const int end = by_tile ? min(lines.channels, begin + width) : lines.channels;
  const int64_t line = int64_t{lines.columns} * kWide<T>, second = gridDim.x * line;
  for (int first = begin; first < end; first += kThreads) {
    const int taken = min(kThreads, end - first), parts = kThreads / taken;
    const int channel = first + thread % taken, part = thread / taken;
    double a = 0, b = 0;
    if (part < parts)
      for (int k = 0; k < lines.pixels_a_line; ++k)
#pragma unroll 4
        for (int block = part; block < static_cast<int>(gridDim.x); block += parts) {
          const float* at = reduction.partial + block * line + k * lines.channels + channel;
          a += __ldcg(at);
          b += __ldcg(at + second);
        }
    __syncthreads();  // the previous round was read
    slices[0][thread] = a;
    slices[1][thread] = b;
    __syncthreads();
    if (thread < taken) {
      for (int k = 1; k < parts; ++k) {
        a += slices[0][k * taken + thread];
        b += slices[1][k * taken + thread];
      }
      finish(channel, a, b);
    }
  }
}

}  // namespace earlybird::cuda_norm
