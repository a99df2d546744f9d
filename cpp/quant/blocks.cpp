#include "quant/blocks.h"

#include <string>

#include "core/error.h"

namespace earlybird::quant {

Blocks blocks_of(const at::Tensor& values, int64_t dim) {
  if (dim >= values.dim() || dim < -1)
    throw Error("ERR_SHAPE", "Block exponents along dimension " + std::to_string(dim) +
                                 " need a tensor with more than " + std::to_string(values.dim()) +
                                 " dimensions; give -1 for one block.");
  if (!values.is_non_overlapping_and_dense())
    throw Error("ERR_SHAPE", "A tensor with gaps cannot be quantised in place; make it contiguous first.");
  return blocks_in(values, dim);
}

void check_format(const BlockFloat& format) {
  if (format.bits != NumberFormats::kFull && (format.bits < 2 || format.bits > 22))
    throw Error("ERR_USAGE", "A word length of " + std::to_string(format.bits) +
                                 " bits is not possible: give 2 to 22, or -1 for full precision.");
}

void check_values(const at::Tensor& values) {
  const at::ScalarType type = values.scalar_type();
  if (type != at::kFloat && type != at::kBFloat16)
    throw Error("ERR_DTYPE",
                std::string("Block floating point takes float32 or bfloat16 values, not ") + c10::toString(type) + ".");
}

}  // namespace earlybird::quant
