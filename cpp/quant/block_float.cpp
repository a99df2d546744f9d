#include "quant/block_float.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/ops.h"
#include "quant/blocks.h"

namespace earlybird {
namespace {

void quantize_into(const at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                   const at::Tensor& faults, at::Tensor& out) {
  if (values.numel() == 0) return;
  if (format.rounding == Rounding::kStochastic && !random.position.defined())
    throw Error("ERR_INTERNAL", "Stochastic rounding was given no position in its random sequence.");
  block_quantize_out(values, format.bits, format.dim, format.rounding == Rounding::kNearest,
                     format.flavour == BlockFlavour::kSwalp, static_cast<int64_t>(random.seed), random.lane,
                     random.position, faults, out);
}

}  // namespace

at::Tensor block_quantize(const at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                          const at::Tensor& faults) {
  quant::check_format(format);
  if (format.bits == NumberFormats::kFull) return values;
  quant::check_values(values);
  const at::Tensor dense = values.contiguous(values.suggest_memory_format());
  quant::blocks_of(dense, format.dim);
  at::Tensor out = at::empty_like(dense);
  quantize_into(dense, format, random, faults, out);
  return out;
}

void block_quantize_(at::Tensor& values, const BlockFloat& format, const RandomLane& random, const at::Tensor& faults) {
  quant::check_format(format);
  if (format.bits == NumberFormats::kFull) return;
  quant::check_values(values);
  quant::blocks_of(values, format.dim);
  quantize_into(values, format, random, faults, values);
}

}  // namespace earlybird
