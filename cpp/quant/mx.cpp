#include "quant/mx.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/ops.h"
#include "quant/mx_tensors.h"

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
  if (rule.rounding == MxRounding::kStochastic && !random.position.defined())
    throw Error("ERR_INTERNAL", "Stochastic rounding was given no position in its random sequence.");
  return values.contiguous(values.suggest_memory_format());
}

}  // namespace mx

at::Tensor mx_round(const at::Tensor& values, const MxRule& rule, const RandomLane& random, at::ScalarType dtype,
                    const at::Tensor& faults) {
  // Widening is exact; only the usual pairs of types have loops of their own.
  const bool widen = values.scalar_type() == at::kBFloat16 && dtype == at::kFloat;
  const at::Tensor dense = mx::dense_of(widen ? values.to(at::kFloat) : values, rule, random);
  const mx::Rows rows = mx::rows_of(dense, rule);
  at::Tensor out = at::empty_like(dense, dense.options().dtype(dtype));
  if (rows.elements() > 0)
    mx_round_out(dense, rule.format - kMxFormats, static_cast<int64_t>(rule.scale), static_cast<int64_t>(rule.rounding),
                 rows.length, rows.inner, static_cast<int64_t>(random.seed), random.lane, random.position, faults, out);
  return out;
}
}  // namespace earlybird
