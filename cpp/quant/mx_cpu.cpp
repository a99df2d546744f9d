// mx_round on the CPU: divides a tensor among threads, and reads each block from memory once.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <atomic>

#include "quant/mx.h"
#include "quant/mx_kernels_cpu.h"
#include "quant/mx_rows.h"

namespace earlybird {
namespace {

/// Minimum number of elements for a thread.
constexpr int64_t kMxGrain = 1 << 14;

/// Rows that are contiguous, in pieces of whole blocks, or several short rows together.
template <class From, class To>
bool round_contiguous(const From* from, To* to, mx::Rows rows, const mx::Kernel& kernel) {
  // Without short blocks all rows are one.
  if (rows.length % kernel.format.block == 0) rows = {1, rows.elements(), 1};
  const int64_t together = std::max<int64_t>(1, mx::kChunk / rows.length);
  const int64_t pieces = (rows.length - 1) / mx::kChunk + 1, groups = (rows.outer - 1) / together + 1;
  std::atomic<bool> fault = false;
  at::parallel_for(0, groups * pieces, kMxGrain / mx::kChunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / pieces * together, first = i % pieces * mx::kChunk;
      const int64_t length = std::min(mx::kChunk, rows.length - first);
      const int64_t count = std::min(together, rows.outer - row) * length, at = row * rows.length + first;
      if (mx::round_rows(from + at, to + at, count, length, at, kernel)) fault = true;
    }
  });
  return fault;
}

/// Rows whose entries lie apart: a tile is a block of each of some neighbouring rows.
template <class From, class To>
bool round_strided(const From* from, To* to, const mx::Rows& rows, const mx::Kernel& kernel) {
  const int64_t block = kernel.format.block, blocks = rows.blocks(block);
  const int64_t tiles = (rows.inner - 1) / mx::kPositions + 1;
  const int64_t elements = std::min(rows.inner, mx::kPositions) * std::min(rows.length, block);
  std::atomic<bool> fault = false;
  at::parallel_for(0, rows.outer * blocks * tiles, std::max<int64_t>(1, kMxGrain / elements),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t first = i / tiles % blocks * block, position = i % tiles * mx::kPositions;
                       const int64_t at = (i / tiles / blocks * rows.length + first) * rows.inner + position;
                       if (mx::round_lines(from + at, to + at, std::min(mx::kPositions, rows.inner - position),
                                           std::min(block, rows.length - first), rows.inner, at, kernel))
                         fault = true;
                     }
                   });
  return fault;
}

/// Returns whether there was an infinity or NaN.
template <class From, class To>
bool round_all(const From* from, To* to, const mx::Rows& rows, mx::Kernel kernel) {
  if (kernel.format.tensor_scale) kernel.tensor_scale = mx::tensor_scale(mx::largest_of_all(from, rows.elements()));
  return rows.inner == 1 ? round_contiguous(from, to, rows, kernel) : round_strided(from, to, rows, kernel);
}

}  // namespace

at::Tensor mx_round(const at::Tensor& values, const MxRule& rule, const RandomLane& random, at::ScalarType dtype,
                    const at::Tensor& faults) {
  // Widening is exact; only the usual pairs of types have loops of their own.
  const bool widen = values.scalar_type() == at::kBFloat16 && dtype == at::kFloat;
  const at::Tensor dense = mx::dense_of(widen ? values.to(at::kFloat) : values, rule, random);
  const mx::Rows rows = mx::rows_of(dense, rule);
  at::Tensor out = at::empty_like(dense, dense.options().dtype(dtype));
  if (rows.elements() == 0) return out;
  const mx::Kernel kernel{*rule.format, rule.scale, rule.rounding, mx::key_of(random)};
  const auto* floats = static_cast<const float*>(dense.const_data_ptr());
  const auto* halves = static_cast<const uint16_t*>(dense.const_data_ptr());
  auto* to = out.data_ptr();
  bool fault;
  if (dense.scalar_type() == at::kBFloat16)
    fault = round_all(halves, static_cast<uint16_t*>(to), rows, kernel);
  else if (dtype == at::kBFloat16)
    fault = round_all(floats, static_cast<uint16_t*>(to), rows, kernel);
  else
    fault = round_all(floats, static_cast<float*>(to), rows, kernel);
  if (fault && faults.defined()) {
    auto* least = faults.data_ptr<int64_t>();
    *least = std::min(*least, quant::fault_of(kernel.key));
  }
  return out;
}

}  // namespace earlybird
