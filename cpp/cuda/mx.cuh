// The kernels of mx_round_out, with the same bits as the CPU's: values are read once (groups of eight in two
// blocks twice), along neighbouring memory.
// Position, faults and the scale of the tensor stay on the device, so that a captured call advances.
#pragma once

#include "cuda/block_float.cuh"
#include "quant/mx_kernel.h"
#include "quant/mx_rows.h"

namespace earlybird::mx {

using quant::kGroup;
using quant::kThreads;

/// Elements of a tile: a group for each thread.
inline constexpr int64_t kTile = kThreads * kGroup;

/// The arguments of all kernels. Key and tensor scale of `kernel` are filled in on the device.
template <class From, class To>
struct Call {
  const From* from;
  To* to;
  Rows rows;
  Kernel kernel;
  uint64_t seed;
  uint32_t lane;
  const int64_t* position;
  int64_t* faults;
  /// The largest magnitude of the tensor, for NVFP4; 0 at first.
  uint32_t* top;

  __device__ Kernel here() const {
    Kernel out = kernel;
    out.key = quant::noise_key(seed, position ? *position : 0, lane);
    if (out.format.tensor_scale) out.tensor_scale = tensor_scale(*top);
    return out;
  }
};

template <Kind kKind>
inline constexpr int kBlock = kKind == Kind::kScaled ? 16 : 32;

/// Blocks of neighbouring elements: a thread block takes a tile, and each thread a group of eight, which may reach into
/// other blocks and beyond the tile. Largest magnitudes meet in shared memory.
template <Kind kKind, MxRounding kRounding, class From, class To>
__global__ void __launch_bounds__(kThreads) tile_kernel(Call<From, To> call, Tiles tiles) {
  __shared__ uint32_t tops[kTile];
  const Tile tile = tiles.tile(blockIdx.x);
  const auto length = static_cast<uint32_t>(tile.length), a_row = (length - 1) / kBlock<kKind> + 1;
  const auto block_of = [&](int64_t number) {
    const auto element = static_cast<uint32_t>(number - tile.begin);
    return element / length * a_row + element % length / kBlock<kKind>;
  };
  for (uint32_t i = threadIdx.x; i < tile.count / length * a_row; i += kThreads) tops[i] = 0;
  const int64_t number = (tile.begin / kGroup + threadIdx.x) * kGroup;
  const quant::Part part = quant::part_of(number, tile.begin, tile.begin + tile.count);
  const bool is_empty = part.first >= part.last;
  const uint32_t block = is_empty ? 0 : block_of(number + part.first);
  const bool is_one = !is_empty && block == block_of(number + part.last - 1);
  alignas(16) From values[kGroup];
  quant::read_group(call.from, number, part, values);
  const uint32_t own = quant::largest_of(values);
  __syncthreads();
  if (is_one)
    atomicMax(&tops[block], own);
  else
    for (int i = part.first; i < part.last; ++i)
      atomicMax(&tops[block_of(number + i)], quant::magnitude(load(call.from[number + i])));
  __syncthreads();
  if (is_empty) return;

  const Kernel kernel = call.here();
  const Common common = common_of(kernel);
  quant::note_fault(call.faults, own, kernel.key);
  const quant::Grid grid = quant::grid_of(quant::kHalfWordNoise, kRounding != MxRounding::kStochastic);
  uint32_t noise[kGroup] = {};
  quant::noise_group(kernel.key, number, grid, noise);
  const Steps steps = steps_of<kKind>(tops[block], common);
  if (is_one && is_usual<kKind>(steps)) {
    alignas(16) To out[kGroup];
#pragma unroll
    for (int i = 0; i < kGroup; ++i)
      store<kKind>(out[i], round_usual<kKind, kRounding>(load(values[i]), steps, noise[i], common));
    quant::write_group(call.to, number, part, out);
    return;
  }
  uint32_t unusual = 0;
#pragma unroll
  for (int i = 0; i < kGroup; ++i) {
    if (i < part.first || i >= part.last) continue;
    const Steps of_one = steps_of<kKind>(tops[block_of(number + i)], common);
    if (is_usual<kKind>(of_one))
      store<kKind>(call.to[number + i], round_usual<kKind, kRounding>(load(values[i]), of_one, noise[i], common));
    else
      unusual |= 1u << i;
  }
#pragma unroll 1
  for (; unusual; unusual &= unusual - 1) {
    const int64_t at = number + __ffs(static_cast<int>(unusual)) - 1;
    round_slowly(call.from + at, call.to + at, 1, 1, tops[block_of(at)], at, kernel);
  }
}

/// Blocks whose entries lie apart: a thread has one block in registers, and neighbouring threads have neighbouring
/// blocks. The thread block makes all random bits together, since a call serves eight neighbouring elements.
template <Kind kKind, MxRounding kRounding, class From, class To>
__global__ void __launch_bounds__(kThreads) strip_kernel(Call<From, To> call, Strips strips) {
  const Strip strip = strips.strip(blockIdx.x);
  const int64_t inner = call.rows.inner, first = strip.begin + threadIdx.x;
  const auto entries = static_cast<int>(strip.entries);
  const bool is_row = threadIdx.x < strip.rows;
  float values[kBlock<kKind>];
  uint32_t top = 0;
#pragma unroll
  for (int j = 0; j < kBlock<kKind>; ++j) {
    values[j] = is_row && j < entries ? load(call.from[first + j * inner]) : 0;
    top = max(top, quant::magnitude(values[j]));
  }
  const Kernel kernel = call.here();
  auto* noise = dynamic_shared<uint16_t>();
  // A line of neighbours may begin inside a group.
  const uint32_t a_line = blockDim.x / kGroup + 1;
  if constexpr (kRounding == MxRounding::kStochastic) {
    for (uint32_t i = threadIdx.x; i < entries * a_line; i += blockDim.x) {
      const int64_t group = (strip.begin + i / a_line * inner) / kGroup + i % a_line;
      const Random4 random = quant::noise_call(kernel.key, static_cast<uint32_t>(group));
      reinterpret_cast<uint4*>(noise)[i] = {random.word[0], random.word[1], random.word[2], random.word[3]};
    }
    __syncthreads();
  }
  if (!is_row) return;
  quant::note_fault(call.faults, top, kernel.key);
  const Common common = common_of(kernel);
  const Steps steps = steps_of<kKind>(top, common);
  if (!is_usual<kKind>(steps)) {
    round_slowly(call.from + first, call.to + first, entries, inner, top, first, kernel);
    return;
  }
#pragma unroll
  for (int j = 0; j < kBlock<kKind>; ++j) {
    if (j >= entries) break;
    const int64_t line = strip.begin + j * inner;
    const uint32_t bits =
        kRounding == MxRounding::kStochastic ? noise[j * a_line * kGroup + line % kGroup + threadIdx.x] : 0;
    store<kKind>(call.to[line + threadIdx.x], round_usual<kKind, kRounding>(values[j], steps, bits, common));
  }
}

template <Kind kKind, MxRounding kRounding, class From, class To>
void round_tiles(const Call<From, To>& call, cudaStream_t stream) {
  // Where tiles may begin inside a group, a thread block has one group more than fits.
  const int64_t block = kBlock<kKind>, length = call.rows.length;
  const bool in_groups = length % kGroup == 0 || call.rows.outer == 1;
  const Tiles tiles(call.rows, block, in_groups ? kTile : kTile - block);
  launch(tile_kernel<kKind, kRounding, From, To>, tiles.count(), kThreads, 0, stream, call, tiles);
}

template <Kind kKind, MxRounding kRounding, class From, class To>
void round_strips(const Call<From, To>& call, cudaStream_t stream) {
  const int64_t block = kBlock<kKind>, warps = (call.rows.inner + 31) / 32;
  const auto threads = static_cast<int>(std::min<int64_t>(kThreads, 32 * warps));
  const Strips strips(call.rows, block, threads);
  const size_t noise = kRounding == MxRounding::kStochastic ? block * (threads + kGroup) * sizeof(uint16_t) : 0;
  launch(strip_kernel<kKind, kRounding, From, To>, strips.count(), threads, noise, stream, call, strips);
}

/// `call.top` may be null for all formats but NVFP4.
template <class From, class To>
void round(const Call<From, To>& call, cudaStream_t stream) {
  if (call.kernel.format.tensor_scale) {
    const int64_t count = call.rows.elements();
    const quant::Call<From> all{call.from, nullptr,   count,         1,          count, {},
                                call.seed, call.lane, call.position, call.faults};
    quant::long_tops(all, call.top, stream);
  }
  with_kinds(call.kernel, [&](auto kind, auto rounding) {
    if (call.rows.inner == 1)
      round_tiles<decltype(kind)::value, decltype(rounding)::value>(call, stream);
    else
      round_strips<decltype(kind)::value, decltype(rounding)::value>(call, stream);
  });
}

}  // namespace earlybird::mx
