#pragma once

#include <ATen/core/Tensor.h>

#include "quant/block_float.h"

namespace earlybird::quant {

/// A dense tensor's memory as outer x blocks x inner elements: element i belongs to block (i / inner) % blocks.
struct Blocks {
  int64_t outer = 1, blocks = 1, inner = 0;
  int64_t elements() const { return outer * blocks * inner; }
};

/// Of a tensor that is dense in some order of its dimensions. Throws ERR_SHAPE where it is not, or where there is no
/// such dimension.
Blocks blocks_of(const at::Tensor& values, int64_t dim);

/// Throws ERR_USAGE for word lengths, ERR_DTYPE for element types that there is no kernel for.
void check_format(const BlockFloat& format);
void check_values(const at::Tensor& values);

}  // namespace earlybird::quant
