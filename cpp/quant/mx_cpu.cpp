// The operator mx_round_out on the CPU: divides a tensor among threads, and reads each block from memory once.
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <atomic>

#include "quant/kernels_cpu.h"
#include "quant/mx_kernels_cpu.h"
#include "quant/mx_tensors.h"

namespace earlybird {
namespace {

/// Minimum number of elements for a thread.
constexpr int64_t kMxGrain = 1 << 14;

template <class T>
uint32_t largest_of(const T* values, int64_t count) {
  std::atomic<uint32_t> top{0};
  at::parallel_for(0, count, 1 << 16, [&](int64_t begin, int64_t end) {
    const uint32_t here = quant::largest(values + begin, end - begin);
    uint32_t before = top.load(std::memory_order_relaxed);
    while (before < here && !top.compare_exchange_weak(before, here, std::memory_order_relaxed)) {
    }
  });
  return top.load();
}

/// Calls work(index) for `count` parts of `elements` each, and returns whether any returned true.
template <class Work>
bool any_of(uint32_t count, int64_t elements, const Work& work) {
  std::atomic<bool> any = false;
  at::parallel_for(0, count, std::max<int64_t>(1, kMxGrain / elements), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (work(static_cast<uint32_t>(i))) any = true;
  });
  return any;
}

template <class From, class To>
bool round_contiguous(const From* from, To* to, const mx::Rows& rows, const mx::Kernel& kernel) {
  const mx::Tiles tiles(rows, kernel.format.block, mx::kChunk);
  return any_of(tiles.count(), mx::kChunk, [&](uint32_t i) {
    const auto [at, count, length] = tiles.tile(i);
    return mx::round_rows(from + at, to + at, count, length, at, kernel);
  });
}

template <class From, class To>
bool round_strided(const From* from, To* to, const mx::Rows& rows, const mx::Kernel& kernel) {
  const int64_t block = kernel.format.block;
  const mx::Strips strips(rows, block, mx::kPositions);
  return any_of(strips.count(), std::min(rows.inner, mx::kPositions) * std::min(rows.length, block), [&](uint32_t i) {
    const auto [at, blocks, entries] = strips.strip(i);
    return mx::round_lines(from + at, to + at, blocks, entries, rows.inner, at, kernel);
  });
}

/// Returns whether there was an infinity or NaN.
template <class From, class To>
bool round_all(const From* from, To* to, const mx::Rows& rows, mx::Kernel kernel) {
  if (kernel.format.tensor_scale) kernel.tensor_scale = mx::tensor_scale(largest_of(from, rows.elements()));
  return rows.inner == 1 ? round_contiguous(from, to, rows, kernel) : round_strided(from, to, rows, kernel);
}

void mx_round_cpu(const at::Tensor& values, int64_t format, int64_t scale, int64_t rounding, int64_t length,
                  int64_t inner, int64_t seed, int64_t lane, const std::optional<at::Tensor>& position,
                  const std::optional<at::Tensor>& faults, at::Tensor out) {
  mx::Kernel kernel = mx::kernel_of(format, scale, rounding);
  const int64_t at = position ? *position->const_data_ptr<int64_t>() : 0;
  kernel.key = quant::noise_key(static_cast<uint64_t>(seed), at, static_cast<uint32_t>(lane));
  const mx::Rows rows{values.numel() / (length * inner), length, inner};
  bool fault = false;
  mx::with_types(values, out, [&](const auto* from, auto* to) { fault = round_all(from, to, rows, kernel); });
  if (fault && faults) {
    auto* least = faults->data_ptr<int64_t>();
    *least = std::min(*least, quant::fault_of(kernel.key));
  }
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CPU, m) { m.impl("mx_round_out", &earlybird::mx_round_cpu); }
