// The kernel of sgd_step: a thread block for each row of a weight, a thread for each value of a 1-D parameter, and as
// many parameters in a launch as fit into the kernel's arguments. Without rounding rows do not matter, and each thread
// block takes a piece of a parameter.
#pragma once

#include <algorithm>

#include "cuda/quant_groups.cuh"
#include "optim/sgd_kernel.h"
#include "quant/block_float.h"

namespace earlybird::cuda_sgd {

using namespace quant;

inline constexpr int kThreads = 256;
inline constexpr int64_t kShortRun = 32;
inline constexpr int64_t kPiece = 4096;

/// Gradient and momentum may be null.
struct Item {
  float* weight;
  const float* gradient;
  float* momentum;
  int64_t count, rows, inner;  // the last row may be shorter
  uint32_t ordinal;
  /// The first thread block of this parameter.
  uint32_t begin;
  bool is_gamma;
};

inline constexpr int kItems = 448;  // enough for all but the deepest networks

struct Table {
  Item items[kItems];
  int count;
};

struct Step {
  SgdRates rates;
  const float* lr;
  int32_t weight, grad, momentum;
  bool nearest, swalp;
  uint64_t seed;
  const int64_t* position;
  int64_t* faults;
};

static_assert(sizeof(Table) + sizeof(Step) <= 32764, "the arguments of a kernel, since CUDA 12.1");

/// One of the three number formats, for one parameter.
struct Format {
  bool full;
  Grid grid;
  NoiseKey key;

  __device__ Format(const Step& step, int32_t bits, NumberKind kind, uint32_t ordinal)
      : full(bits == NumberFormats::kFull),
        grid(grid_of(full ? 2 : bits, step.nearest)),
        key(noise_key(step.seed, step.position ? *step.position : 0, static_cast<uint32_t>(kind) << 20 | ordinal)) {}
};

template <class Flavour>
__device__ float round_one(float value, uint32_t top, int64_t number, const Format& format) {
  if (format.full || top >= kInfinity) return value;
  const uint32_t noise = format.grid.nearest ? 0 : noise_at(format.key, number, format.grid.bits);
  return round_value<Flavour>(value, top, Flavour::scale_of(top, format.grid), noise, format.grid);
}

__device__ inline float gradient_at(const Item& item, int64_t i, const SgdRates& rates) {
  return item.is_gamma ? with_l1(item.gradient[i], item.weight[i], rates.l1) : item.gradient[i];
}

struct Formats {
  Format gradient, weight, momentum;
};

/// Updates a row of a few values by one thread.
template <class Flavour>
__device__ void short_row(const Item& item, int64_t row, const Formats& formats, const SgdRates& rates,
                          int64_t* faults) {
  const int64_t begin = row * item.inner, end = min(begin + item.inner, item.count);
  uint32_t gradient_top = 0, weight_top = 0, momentum_top = 0;
  if (item.gradient) {
    for (int64_t i = begin; i < end; ++i) gradient_top = max(gradient_top, magnitude(gradient_at(item, i, rates)));
    for (int64_t i = begin; i < end; ++i) {
      const float gradient = round_one<Flavour>(gradient_at(item, i, rates), gradient_top, i, formats.gradient);
      float momentum = item.momentum ? item.momentum[i] : 0;
      sgd_move(gradient, item.weight[i], momentum, rates);
      momentum_top = max(momentum_top, magnitude(momentum));
      if (item.momentum) item.momentum[i] = momentum;
    }
  }
  for (int64_t i = begin; i < end; ++i) weight_top = max(weight_top, magnitude(item.weight[i]));
  for (int64_t i = begin; i < end; ++i) {
    item.weight[i] = round_one<Flavour>(item.weight[i], weight_top, i, formats.weight);
    if (item.gradient && item.momentum)
      item.momentum[i] = round_one<Flavour>(item.momentum[i], momentum_top, i, formats.momentum);
  }
  if (!formats.gradient.full) note_fault(faults, gradient_top, formats.gradient.key);
  if (!formats.weight.full) note_fault(faults, weight_top, formats.weight.key);
  if (!formats.momentum.full && item.momentum) note_fault(faults, momentum_top, formats.momentum.key);
}

/// Calls work(first number of a group, its part in the row) for this thread's groups of the row.
template <class Work>
__device__ inline void each_group(int64_t begin, int64_t end, const Work& work) {
  for (int64_t i = begin / kGroup + threadIdx.x; i * kGroup < end; i += kThreads)
    work(i * kGroup, part_of(i * kGroup, begin, end));
}

__device__ inline void read_gradient(const Item& item, int64_t number, Part part, const SgdRates& rates, float* to) {
  read_group(item.gradient, number, part, to);
  if (!item.is_gamma) return;
  for (int i = part.first; i < part.last; ++i) to[i] = with_l1(to[i], item.weight[number + i], rates.l1);
}

template <class Flavour>
__device__ inline void round_in_memory(float* values, int64_t begin, int64_t end, uint32_t top, const Format& format) {
  if (format.full || top >= kInfinity) return;
  const auto scale = Flavour::scale_of(top, format.grid);
  each_group(begin, end, [&](int64_t number, Part part) {
    alignas(16) float group[kGroup];
    uint32_t noise[kGroup];
    read_group(values, number, part, group);
    noise_group(format.key, number, format.grid, noise);
    round_group<Flavour>(group, top, scale, noise, format.grid);
    write_group(values, number, part, group);
  });
}

/// Updates a row by the whole thread block; second reads hit the caches. Each thread reads only values that it wrote
/// itself.
template <class Flavour>
__device__ void long_row(const Item& item, int64_t row, const Formats& formats, const SgdRates& rates,
                         int64_t* faults) {
  const int64_t begin = row * item.inner, end = min(begin + item.inner, item.count);
  uint32_t gradient_top = 0, weight_top = 0, momentum_top = 0;
  if (item.gradient) {
    if (!formats.gradient.full) {
      each_group(begin, end, [&](int64_t number, Part part) {
        alignas(16) float gradient[kGroup];
        read_gradient(item, number, part, rates, gradient);
        gradient_top = max(gradient_top, largest_of(gradient));
      });
      gradient_top = largest_in_block(gradient_top);
    }
    const auto scale = Flavour::scale_of(gradient_top, formats.gradient.grid);
    each_group(begin, end, [&](int64_t number, Part part) {
      alignas(16) float gradient[kGroup], weight[kGroup], momentum[kGroup] = {};
      read_gradient(item, number, part, rates, gradient);
      read_group(item.weight, number, part, weight);
      if (item.momentum) read_group(item.momentum, number, part, momentum);
      if (!formats.gradient.full) {
        uint32_t noise[kGroup];
        noise_group(formats.gradient.key, number, formats.gradient.grid, noise);
        round_group<Flavour>(gradient, gradient_top, scale, noise, formats.gradient.grid);
      }
#pragma unroll
      for (int i = 0; i < kGroup; ++i) sgd_move(gradient[i], weight[i], momentum[i], rates);
      weight_top = max(weight_top, largest_of(weight));
      momentum_top = max(momentum_top, largest_of(momentum));
      write_group(item.weight, number, part, weight);
      if (item.momentum) write_group(item.momentum, number, part, momentum);
    });
  } else {
    each_group(begin, end, [&](int64_t number, Part part) {
      alignas(16) float weight[kGroup];
      read_group(item.weight, number, part, weight);
      weight_top = max(weight_top, largest_of(weight));
    });
  }
  if (!formats.weight.full) {
    weight_top = largest_in_block(weight_top);
    round_in_memory<Flavour>(item.weight, begin, end, weight_top, formats.weight);
  }
  if (item.gradient && item.momentum && !formats.momentum.full) {
    momentum_top = largest_in_block(momentum_top);
    round_in_memory<Flavour>(item.momentum, begin, end, momentum_top, formats.momentum);
  }
  if (threadIdx.x != 0) return;
  if (!formats.gradient.full) note_fault(faults, gradient_top, formats.gradient.key);
  if (!formats.weight.full) note_fault(faults, weight_top, formats.weight.key);
  if (!formats.momentum.full && item.momentum) note_fault(faults, momentum_top, formats.momentum.key);
}

template <class Flavour>
__global__ void __launch_bounds__(kThreads) step_kernel(Table table, Step step) {
  int which = 0;  // index of the last item that begins at this block or before it
  for (int end = table.count; end - which > 1;) {
    const int middle = (which + end) / 2;
    (blockIdx.x >= table.items[middle].begin ? which : end) = middle;
  }
  const Item& item = table.items[which];
  SgdRates rates = step.rates;
  rates.lr = *step.lr;
  const Formats formats{Format(step, step.grad, NumberKind::kGradient, item.ordinal),
                        Format(step, step.weight, NumberKind::kWeight, item.ordinal),
                        Format(step, step.momentum, NumberKind::kMomentum, item.ordinal)};
  const int64_t block = blockIdx.x - item.begin;
  if (item.inner >= kShortRun) return long_row<Flavour>(item, block, formats, rates, step.faults);
  const int64_t row = block * kThreads + threadIdx.x;
  if (row < item.rows) short_row<Flavour>(item, row, formats, rates, step.faults);
}

/// Collects parameters and launches when a table is full.
class Steps {
 public:
  Steps(const Step& step, cudaStream_t stream) : step_(step), stream_(stream) {}

  /// Adds a parameter and sets `item.begin`. In full precision it replaces its rows by pieces of fixed length.
  void add(Item item) {
    if (std::max({step_.weight, step_.grad, step_.momentum}) == NumberFormats::kFull) {
      item.inner = kPiece;
      item.rows = (item.count + kPiece - 1) / kPiece;
    }
    item.begin = blocks_;
    table_.items[table_.count++] = item;
    blocks_ += static_cast<uint32_t>(item.inner >= kShortRun ? item.rows : (item.rows + kThreads - 1) / kThreads);
    if (table_.count == kItems) flush();
  }

  void flush() {
    if (blocks_ == 0) return;
    launch(step_.swalp ? step_kernel<Swalp> : step_kernel<Qtorch>, blocks_, kThreads, 0, stream_, table_, step_);
    table_.count = 0;
    blocks_ = 0;
  }

 private:
  Step step_;
  cudaStream_t stream_;
  Table table_{};
  uint32_t blocks_ = 0;
};

}  // namespace earlybird::cuda_sgd
