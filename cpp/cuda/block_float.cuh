// The kernels of block_quantize_out, with the same bits as the CPU's. Position and faults stay on the device, so that a
// captured call advances.
#pragma once

#include <algorithm>

#include "cuda/quant_groups.cuh"

namespace earlybird::quant {

inline constexpr int kThreads = 256;
/// Shorter blocks get one thread each.
inline constexpr int64_t kShortRun = 32;
/// The longest row that a thread block keeps in registers.
inline constexpr int64_t kLongestRow = 1024 * 4 * kGroup;

/// The arguments of all kernels.
template <class T>
struct Call {
  const T* from;
  T* to;
  int64_t elements, blocks, inner;
  Grid grid;
  uint64_t seed;
  uint32_t lane;
  const int64_t* position;
  int64_t* faults;

  __device__ NoiseKey key() const { return noise_key(seed, position ? *position : 0, lane); }
};

/// A thread block for each row: reads it once and keeps it in registers until its maximum is known. The first and last
/// group may extend beyond the row.
template <class Flavour, class T, int kRowThreads, int kGroups>
__global__ void __launch_bounds__(kRowThreads) row_kernel(Call<T> call) {
  const int64_t begin = blockIdx.x * call.inner, end = begin + call.inner, start = begin / kGroup * kGroup;
  alignas(16) T values[kGroups][kGroup];
  uint32_t top = 0;
#pragma unroll
  for (int g = 0; g < kGroups; ++g) {
    const int64_t number = start + (static_cast<int64_t>(g) * kRowThreads + threadIdx.x) * kGroup;
    if (number >= end) break;
    read_group(call.from, number, part_of(number, begin, end), values[g]);
    top = max(top, largest_of(values[g]));
  }
  top = largest_in_block(top);
  const NoiseKey key = call.key();
  if (threadIdx.x == 0) note_fault(call.faults, top, key);
  const auto scale = Flavour::scale_of(top, call.grid);
#pragma unroll
  for (int g = 0; g < kGroups; ++g) {
    const int64_t number = start + (static_cast<int64_t>(g) * kRowThreads + threadIdx.x) * kGroup;
    if (number >= end) break;
    uint32_t noise[kGroup];
    noise_group(key, number, call.grid, noise);
    round_group<Flavour>(values[g], top, scale, noise, call.grid);
    write_group(call.to, number, part_of(number, begin, end), values[g]);
  }
}

/// A thread for each row of a few elements, such as the single elements of 1-D tensors.
template <class Flavour, class T>
__global__ void short_row_kernel(Call<T> call) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= call.blocks) return;
  const int64_t begin = row * call.inner, end = begin + call.inner;
  uint32_t top = 0;
  for (int64_t i = begin; i < end; ++i) top = max(top, magnitude(load(call.from[i])));
  const NoiseKey key = call.key();
  note_fault(call.faults, top, key);
  const auto scale = Flavour::scale_of(top, call.grid);
  for (int64_t i = begin; i < end; ++i) {
    T value = call.from[i];
    const uint32_t noise = call.grid.nearest ? 0 : noise_at(key, i, call.grid.bits);
    if (top < kInfinity) store(value, round_value<Flavour>(load(value), top, scale, noise, call.grid));
    call.to[i] = value;
  }
}

/// Maxima of long runs: each thread block takes `span` elements of one run.
template <class T>
__global__ void long_tops_kernel(Call<T> call, int64_t span, uint32_t* tops) {
  const int64_t spans = (call.inner + span - 1) / span, run = blockIdx.x / spans;
  const int64_t begin = run * call.inner + blockIdx.x % spans * span, end = min(begin + span, (run + 1) * call.inner);
  uint32_t top = 0;
  for (int64_t i = begin / kGroup + threadIdx.x; i * kGroup < end; i += blockDim.x) {
    alignas(16) T values[kGroup];
    read_group(call.from, i * kGroup, part_of(i * kGroup, begin, end), values);
    top = max(top, largest_of(values));
  }
  top = largest_in_block(top);
  if (threadIdx.x != 0) return;
  atomicMax(tops + run % call.blocks, top);
  note_fault(call.faults, top, call.key());
}

/// Maxima of short runs, as in channels_last along dimension 1: each thread keeps one position in the line of
/// blocks * inner elements and visits all lines.
template <class T>
__global__ void short_tops_kernel(Call<T> call, uint32_t* tops) {
  const int64_t line = call.blocks * call.inner;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t position = thread % line, lines = static_cast<int64_t>(gridDim.x) * kThreads / line;
  if (thread / line >= lines) return;
  uint32_t top = 0;
  for (int64_t i = thread; i < call.elements; i += lines * line) top = max(top, magnitude(load(call.from[i])));
  atomicMax(tops + position / call.inner, top);
  note_fault(call.faults, top, call.key());
}

/// Rounds with known maxima.
template <class Flavour, class T>
__global__ void round_kernel(Call<T> call, const uint32_t* tops) {
  const int64_t number = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kGroup;
  if (number >= call.elements) return;
  const Part part = part_of(number, 0, call.elements);
  alignas(16) T values[kGroup];
  read_group(call.from, number, part, values);
  uint32_t noise[kGroup];
  noise_group(call.key(), number, call.grid, noise);
  const int64_t run = number / call.inner;
  if (number + kGroup <= (run + 1) * call.inner) {
    const uint32_t top = tops[run % call.blocks];
    round_group<Flavour>(values, top, Flavour::scale_of(top, call.grid), noise, call.grid);
  } else {
    for (int i = 0; i < part.last; ++i) {
      const uint32_t top = tops[(number + i) / call.inner % call.blocks], bits = call.grid.nearest ? 0 : noise[i];
      if (top < kInfinity)
        store(values[i],
              round_value<Flavour>(load(values[i]), top, Flavour::scale_of(top, call.grid), bits, call.grid));
    }
  }
  write_group(call.to, number, part, values);
}

inline unsigned blocks_for(int64_t work, int64_t each) { return static_cast<unsigned>((work + each - 1) / each); }

template <class Flavour, class T>
void rows_in_registers(const Call<T>& call, cudaStream_t stream) {
  // One more group than a row needs, because it may begin inside a group.
  const int64_t groups = call.inner / kGroup + 2;
  const auto rows = static_cast<unsigned>(call.blocks);
  if (groups <= 64)
    launch(row_kernel<Flavour, T, 64, 1>, rows, 64, 0, stream, call);
  else if (groups <= 256)
    launch(row_kernel<Flavour, T, 256, 1>, rows, 256, 0, stream, call);
  else if (groups <= 1024)
    launch(row_kernel<Flavour, T, 256, 4>, rows, 256, 0, stream, call);
  else
    launch(row_kernel<Flavour, T, 1024, 4>, rows, 1024, 0, stream, call);
}

template <class T>
void long_tops(const Call<T>& call, uint32_t* tops, cudaStream_t stream) {
  constexpr int64_t kSpan = 16 * kThreads * kGroup;
  const int64_t span = std::min(kSpan, call.inner);
  const int64_t runs = call.elements / call.inner;
  const int threads = span <= 32 * kGroup ? 32 : kThreads;
  launch(long_tops_kernel<T>, static_cast<unsigned>(runs * blocks_for(call.inner, span)), threads, 0, stream, call,
         span, tops);
}

template <class Flavour, class T>
void in_two_passes(const Call<T>& call, uint32_t* tops, cudaStream_t stream) {
  if (call.inner >= kShortRun) {
    long_tops(call, tops, stream);
  } else {
    // There is at least one thread a position of a line, and there are at most 4096 thread blocks unless a line is
    // longer.
    const int64_t line = call.blocks * call.inner;
    const int64_t threads = std::max(line, std::min<int64_t>(call.elements, int64_t{4096} * kThreads));
    launch(short_tops_kernel<T>, blocks_for(threads, kThreads), kThreads, 0, stream, call, tops);
  }
  launch(round_kernel<Flavour, T>, blocks_for(call.elements, kThreads * kGroup), kThreads, 0, stream, call, tops);
}

template <class T>
bool is_rows(const Call<T>& call) {
  return call.elements == call.blocks * call.inner;
}

/// The number of zeros that quantize() needs as `tops`.
template <class T>
int64_t tops_of(const Call<T>& call) {
  return is_rows(call) && call.inner + 2 * kGroup <= kLongestRow ? 0 : call.blocks;
}

template <class Flavour, class T>
void quantize(const Call<T>& call, uint32_t* tops, cudaStream_t stream) {
  if (is_rows(call) && call.inner < kShortRun)
    launch(short_row_kernel<Flavour, T>, blocks_for(call.blocks, kThreads), kThreads, 0, stream, call);
  else if (tops_of(call) == 0)
    rows_in_registers<Flavour>(call, stream);
  else
    in_two_passes<Flavour>(call, tops, stream);
}

}  // namespace earlybird::quant
