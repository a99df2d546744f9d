#pragma once

#include <ATen/core/Tensor.h>

#include "quant/block_float.h"

namespace earlybird::quant {

/// The memory of a dense tensor as outer x blocks x inner elements: element i belongs to block (i / inner) % blocks.
struct Blocks {
  int64_t outer = 1, blocks = 1, inner = 0;
  int64_t elements() const { return outer * blocks * inner; }
};

/// The tensor must be dense in some order of its dimensions and have dimension `dim`, or `dim` is -1. Inline for the
/// CUDA plugin, which shares no symbols with the core.
inline Blocks blocks_in(const at::Tensor& values, int64_t dim) {
  const int64_t elements = values.numel();
  // The stride of a dimension of length 1 has no meaning.
  if (elements == 0 || dim == -1 || values.size(dim) == 1) return {1, 1, elements};
  const int64_t blocks = values.size(dim), inner = values.stride(dim);
  return {elements / (blocks * inner), blocks, inner};
}

/// The same, but throws ERR_SHAPE if the tensor has gaps or no such dimension.
Blocks blocks_of(const at::Tensor& values, int64_t dim);

/// Throw ERR_USAGE for an impossible word length, ERR_DTYPE for an element type without a kernel.
void check_format(const BlockFloat& format);
void check_values(const at::Tensor& values);

}  // namespace earlybird::quant
