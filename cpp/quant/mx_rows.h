#pragma once

#include "quant/mx.h"
#include "quant/noise.h"

namespace earlybird::mx {

/// The memory of a dense tensor as outer x length x inner elements: those that differ in the middle index alone are one
/// row, which is cut into blocks.
struct Rows {
  int64_t outer = 0, length = 1, inner = 1;
  int64_t elements() const { return outer * length * inner; }
  int64_t blocks(int64_t block) const { return (length + block - 1) / block; }
};

/// The rows of `values`, which must be dense. Throws as mx_round does.
Rows rows_of(const at::Tensor& values, const MxRule& rule);

/// `values` as mx_round reads them: checked and dense.
at::Tensor dense_of(const at::Tensor& values, const MxRule& rule, const RandomLane& random);

quant::NoiseKey key_of(const RandomLane& random);

/// The largest magnitude bits of a tensor; does not depend on threads.
uint32_t largest_of_all(const float* values, int64_t count);
uint32_t largest_of_all(const uint16_t* values, int64_t count);

}  // namespace earlybird::mx
