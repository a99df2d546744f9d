// The CUDA kernels of block_quantize_out; same bits as the CPU's. Position and faults stay on the device, so that a
// captured call advances.
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <algorithm>

#include "cuda/quant_groups.cuh"
#include "quant/blocks.h"

namespace earlybird {
namespace {

using namespace quant;

constexpr int kThreads = 256;
/// Blocks of fewer elements: a thread each.
constexpr int64_t kShortRun = 32;
/// What a thread block keeps of a row in registers.
constexpr int64_t kLongestRow = 1024 * 4 * kGroup;

/// What all kernels take.
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

/// A thread block a row: read once, kept in registers until its maximum is known. Groups hang over the row's ends.
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

/// A thread a row of a few elements, such as the single ones of 1-D tensors.
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

/// Maxima of long runs: a thread block takes `span` elements of one run.
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

/// Maxima of short runs, as in channels_last along dimension 1: a thread stays at one position of the line of
/// blocks * inner elements and goes down the lines.
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

/// Rounds by maxima that are known.
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

unsigned blocks_for(int64_t work, int64_t each) { return static_cast<unsigned>((work + each - 1) / each); }

template <class Flavour, class T>
void rows_in_registers(const Call<T>& call, cudaStream_t stream) {
  // One group more than a row needs where it begins inside of one.
  const int64_t groups = call.inner / kGroup + 2;
  const auto rows = static_cast<unsigned>(call.blocks);
  if (groups <= 64)
    row_kernel<Flavour, T, 64, 1><<<rows, 64, 0, stream>>>(call);
  else if (groups <= 256)
    row_kernel<Flavour, T, 256, 1><<<rows, 256, 0, stream>>>(call);
  else if (groups <= 1024)
    row_kernel<Flavour, T, 256, 4><<<rows, 256, 0, stream>>>(call);
  else
    row_kernel<Flavour, T, 1024, 4><<<rows, 1024, 0, stream>>>(call);
}

template <class Flavour, class T>
void in_two_passes(const Call<T>& call, const at::Tensor& values, cudaStream_t stream) {
  const at::Tensor maxima = at::zeros({call.blocks}, values.options().dtype(at::kInt));
  auto* tops = static_cast<uint32_t*>(maxima.data_ptr());
  if (call.inner >= kShortRun) {
    constexpr int64_t kSpan = 16 * kThreads * kGroup;
    const int64_t span = std::min(kSpan, call.inner);
    const int64_t runs = call.elements / call.inner;
    const int threads = span <= 32 * kGroup ? 32 : kThreads;
    long_tops_kernel<<<static_cast<unsigned>(runs * blocks_for(call.inner, span)), threads, 0, stream>>>(call, span,
                                                                                                         tops);
  } else {
    // At least one line, at most 4096 thread blocks where a line is not longer.
    const int64_t line = call.blocks * call.inner;
    const int64_t threads = std::max(line, std::min<int64_t>(call.elements, int64_t{4096} * kThreads));
    short_tops_kernel<<<blocks_for(threads, kThreads), kThreads, 0, stream>>>(call, tops);
  }
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  round_kernel<Flavour><<<blocks_for(call.elements, kThreads * kGroup), kThreads, 0, stream>>>(call, tops);
}

template <class Flavour, class T>
void quantize(const Call<T>& call, const at::Tensor& values) {
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const bool is_rows = call.elements == call.blocks * call.inner;
  if (is_rows && call.inner < kShortRun)
    short_row_kernel<Flavour><<<blocks_for(call.blocks, kThreads), kThreads, 0, stream>>>(call);
  else if (is_rows && call.inner + 2 * kGroup <= kLongestRow)
    rows_in_registers<Flavour>(call, stream);
  else
    in_two_passes<Flavour>(call, values, stream);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

void block_quantize_cuda(const at::Tensor& values, int64_t bits, int64_t dim, bool nearest, bool swalp, int64_t seed,
                         int64_t lane, const std::optional<at::Tensor>& position,
                         const std::optional<at::Tensor>& faults, at::Tensor out) {
  const c10::cuda::CUDAGuard guard(values.device());
  const Blocks shape = blocks_in(values, dim);
  const auto run = [&](auto type) {
    using T = decltype(type);
    const Call<T> call{static_cast<const T*>(values.const_data_ptr()),
                       static_cast<T*>(out.data_ptr()),
                       shape.elements(),
                       shape.blocks,
                       shape.inner,
                       grid_of(bits, nearest),
                       static_cast<uint64_t>(seed),
                       static_cast<uint32_t>(lane),
                       position ? position->const_data_ptr<int64_t>() : nullptr,
                       faults ? faults->data_ptr<int64_t>() : nullptr};
    if (swalp)
      quantize<Swalp>(call, values);
    else
      quantize<Qtorch>(call, values);
  };
  if (values.scalar_type() == at::kFloat)
    run(float{});
  else
    run(uint16_t{});
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) { m.impl("block_quantize_out", &earlybird::block_quantize_cuda); }
