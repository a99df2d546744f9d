// The iteration of kernels over images (N, C, H, W) in channels_last memory: loads of 16 bytes for any C, and always
// the same channels for one thread, so that their values stay in its registers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <type_traits>

#include "cuda/device.cuh"

namespace earlybird::cuda_norm {

inline constexpr int kThreads = 256;
/// Thread blocks of a reduction; the same number on every GPU, so that order and bits are the same: two for each of the
/// 132 multiprocessors of an H100 or H200.
inline constexpr int kReducingBlocks = 264;
inline constexpr int kWritingBlocks = 8 * 132;

/// Number of elements in 16 bytes; uint16_t stands for bfloat16.
template <class T>
inline constexpr int kWide = 16 / sizeof(T);

/// Memory divided into lines, each the fewest pixels that end at a multiple of 16 bytes. A column is 16 bytes wide. A
/// thread block takes `tile` columns of `rows` lines at once.
struct Lines {
  int64_t elements, pixels;
  int channels;
  int pixels_a_line;
  int columns, tile, tiles, rows;
  /// Number of lines that are read in loads of 16 bytes (none if memory is not aligned), and of all lines.
  int64_t whole, count;
};

/// `aligned` is true where all memory begins at a multiple of 16 bytes.
template <class T>
Lines lines_of(int64_t pixels, int channels, bool aligned) {
  Lines out{};
  out.pixels = pixels;
  out.channels = channels;
  out.elements = pixels * channels;
  out.pixels_a_line = kWide<T> / std::gcd(kWide<T>, channels);
  out.columns = out.pixels_a_line * channels / kWide<T>;
  // 32 columns are 512 neighbouring bytes; tiles of a line of one pixel can be finished on their own.
  const int most = out.pixels_a_line == 1 ? 32 : kThreads;
  out.tiles = (out.columns + most - 1) / most;
  out.tile = (out.columns + out.tiles - 1) / out.tiles;
  out.rows = kThreads / out.tile;
  const int64_t line = int64_t{out.columns} * kWide<T>;
  out.whole = aligned ? out.elements / line : 0;
  out.count = (out.elements + line - 1) / line;
  return out;
}

/// `lines_a_row` is the minimum number of lines for each row of threads.
inline dim3 blocks_for(const Lines& lines, int most, int64_t lines_a_row = 1) {
  const int64_t each = lines.rows * lines_a_row, wanted = (lines.count + each - 1) / each;
  return dim3(static_cast<unsigned>(std::min<int64_t>(wanted, std::max(1, most / lines.tiles))),
              static_cast<unsigned>(lines.tiles));
}

/// The grid of a reduction. Its last block reads the results of all others, so each block should have enough lines to
/// add.
inline dim3 reducing_blocks(const Lines& lines) { return blocks_for(lines, kReducingBlocks, /*lines_a_row=*/8); }

inline bool is_aligned(const void* memory) { return reinterpret_cast<uintptr_t>(memory) % 16 == 0; }

/// One column of a line.
template <class T>
struct Wide {
  alignas(16) T value[kWide<T>];
};

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(uint16_t value) { return __uint_as_float(static_cast<uint32_t>(value) << 16); }
template <class T>
__device__ T rounded(float value) {
  if constexpr (std::is_same_v<T, float>)
    return value;
  else
    return bfloat16_bits(value);
}

/// The part of the lines that a thread processes.
template <class T>
struct Place {
  int column, row;
  bool works;

  __device__ explicit Place(const Lines& lines)
      : column(static_cast<int>(blockIdx.y) * lines.tile + static_cast<int>(threadIdx.x) % lines.tile),
        row(static_cast<int>(threadIdx.x) / lines.tile),
        works(row < lines.rows && column < lines.columns) {}

  /// Position of the j-th element in its line.
  __device__ int position(int j) const { return column * kWide<T> + j; }
  __device__ int64_t element(const Lines& lines, int64_t line) const {
    return (line * lines.columns + column) * kWide<T>;
  }
};

/// Reads whole columns in one load; others element by element, with zeros past the end.
template <bool kWhole, class T>
__device__ Wide<T> read(const T* from, int64_t element, int64_t end) {
  Wide<T> out;
  if constexpr (kWhole) {
    *reinterpret_cast<uint4*>(out.value) = *reinterpret_cast<const uint4*>(from + element);
  } else {
#pragma unroll
    for (int j = 0; j < kWide<T>; ++j) out.value[j] = element + j < end ? from[element + j] : T{0};
  }
  return out;
}

template <bool kWhole, class T>
__device__ void write(T* to, int64_t element, int64_t end, const Wide<T>& what) {
  if constexpr (kWhole) {
    *reinterpret_cast<uint4*>(to + element) = *reinterpret_cast<const uint4*>(what.value);
  } else {
#pragma unroll
    for (int j = 0; j < kWide<T>; ++j)
      if (element + j < end) to[element + j] = what.value[j];
  }
}

/// Calls use(whole, element, load(whole, element, line)) for all lines of a thread: `whole` is a std::bool_constant and
/// `element` the first of the column. Several loads are in flight at once.
template <int kAtOnce, class T, class Load, class Use>
__device__ void each_line(const Lines& lines, const Place<T>& place, const Load& load, const Use& use) {
  if (!place.works) return;
  constexpr std::true_type whole;
  constexpr std::false_type broken;
  const int64_t step = static_cast<int64_t>(gridDim.x) * lines.rows;
  int64_t line = static_cast<int64_t>(blockIdx.x) * lines.rows + place.row;
  for (; line + (kAtOnce - 1) * step < lines.whole; line += kAtOnce * step) {
    decltype(load(whole, int64_t{}, int64_t{})) loaded[kAtOnce];
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) loaded[k] = load(whole, place.element(lines, line + k * step), line + k * step);
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) use(whole, place.element(lines, line + k * step), loaded[k]);
  }
  for (; line < lines.whole; line += step) {
    const int64_t element = place.element(lines, line);
    use(whole, element, load(whole, element, line));
  }
  for (; line < lines.count; line += step) {
    const int64_t element = place.element(lines, line);
    if (element < lines.elements) use(broken, element, load(broken, element, line));
  }
}

}  // namespace earlybird::cuda_norm
