// The CPU kernel of block_quantize_out.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "quant/blocks.h"
#include "quant/noise.h"

namespace earlybird {
namespace {

using namespace quant;

template <class T, class Flavour>
void quantize(const T* from, T* to, const Blocks& shape, const Grid& grid, const NoiseKey& key, int64_t* faults) {
  std::vector<uint32_t> tops(shape.blocks, 0);
  const auto block_of = [&](int64_t i) { return (i / shape.inner) % shape.blocks; };
  for (int64_t i = 0; i < shape.elements(); ++i) {
    uint32_t& top = tops[block_of(i)];
    top = std::max(top, magnitude(static_cast<float>(from[i])));
  }
  for (const uint32_t top : tops)
    if (top >= kInfinity && faults) *faults = std::min(*faults, fault_of(key));
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const uint32_t top = tops[block_of(i)];
    const uint32_t noise = grid.nearest ? 0 : noise_at(key, i, grid.bits);
    to[i] = static_cast<T>(
        round_value<Flavour>(static_cast<float>(from[i]), top, Flavour::scale_of(top, grid), noise, grid));
  }
}

void block_quantize_cpu(const at::Tensor& values, int64_t bits, int64_t dim, bool nearest, bool swalp, int64_t seed,
                        int64_t lane, const std::optional<at::Tensor>& position,
                        const std::optional<at::Tensor>& faults, at::Tensor out) {
  const Blocks shape = blocks_of(values, dim);
  const Grid grid = grid_of(bits, nearest);
  const int64_t at = position ? *position->const_data_ptr<int64_t>() : 0;
  const NoiseKey key = noise_key(static_cast<uint64_t>(seed), at, static_cast<uint32_t>(lane));
  int64_t* fault = faults ? faults->data_ptr<int64_t>() : nullptr;
  const auto run = [&](auto type) {
    using T = decltype(type);
    const T* from = values.const_data_ptr<T>();
    T* to = out.data_ptr<T>();
    if (swalp)
      quantize<T, Swalp>(from, to, shape, grid, key, fault);
    else
      quantize<T, Qtorch>(from, to, shape, grid, key, fault);
  };
  if (values.scalar_type() == at::kFloat)
    run(float{});
  else
    run(at::BFloat16{});
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CPU, m) { m.impl("block_quantize_out", &earlybird::block_quantize_cpu); }
