#include "quant/mx.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <atomic>

#include "core/error.h"
#include "quant/kernels_cpu.h"
#include "quant/mx_arithmetic.h"
#include "quant/mx_rows.h"

namespace earlybird {

const MxFormat& mx_format(const std::string& name) {
  std::string known;
  for (const MxFormat& format : kMxFormats) {
    if (format.name == name) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.name);
  }
  throw Error("ERR_USAGE", "There is no number format '" + name + "'; give one of " + known + ".");
}

namespace mx {
namespace {

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

}  // namespace

Rows rows_of(const at::Tensor& values, const MxRule& rule) {
  if (rule.dim < 0 || rule.dim >= values.dim())
    throw Error("ERR_SHAPE", "Blocks along dimension " + std::to_string(rule.dim) + " need a tensor with more than " +
                                 std::to_string(values.dim()) + " dimensions.");
  const int64_t size = values.size(rule.dim);
  if (rule.groups < 1 || size % rule.groups != 0)
    throw Error("ERR_SHAPE", std::to_string(size) + " entries of dimension " + std::to_string(rule.dim) +
                                 " cannot be divided into " + std::to_string(rule.groups) + " groups.");
  const int64_t length = size / rule.groups, elements = values.numel();
  if (elements == 0) return {};
  // The stride of a dimension of length 1 has no meaning; each element is then a block, wherever it lies.
  const int64_t inner = size == 1 ? 1 : values.stride(rule.dim);
  return {elements / (length * inner), length, inner};
}

at::Tensor dense_of(const at::Tensor& values, const MxRule& rule, const RandomLane& random) {
  if (values.scalar_type() != at::kFloat && values.scalar_type() != at::kBFloat16)
    throw Error("ERR_DTYPE", std::string("MX formats take float32 and bfloat16 values, not ") +
                                 c10::toString(values.scalar_type()) + ".");
  if (!values.device().is_cpu())
    throw Error("ERR_DEVICE", std::string(rule.format->name) + " has a kernel for the CPU only: give --device cpu.");
  if (rule.rounding == MxRounding::kStochastic && !random.position.defined())
    throw Error("ERR_INTERNAL", "Stochastic rounding was given no position in its random sequence.");
  return values.contiguous(values.suggest_memory_format());
}

quant::NoiseKey key_of(const RandomLane& random) {
  const int64_t position = random.position.defined() ? *random.position.const_data_ptr<int64_t>() : 0;
  return quant::noise_key(random.seed, position, random.lane);
}

uint32_t largest_of_all(const float* values, int64_t count) { return largest_of(values, count); }
uint32_t largest_of_all(const uint16_t* values, int64_t count) { return largest_of(values, count); }

}  // namespace mx
}  // namespace earlybird
