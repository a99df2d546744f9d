#pragma once

#include "quant/mx.h"
#include "quant/mx_rows.h"

namespace earlybird::mx {

/// The rows of `values`, which must be dense. Throws as mx_round does.
Rows rows_of(const at::Tensor& values, const MxRule& rule);

/// `values` as mx_round reads them: checked and dense.
at::Tensor dense_of(const at::Tensor& values, const MxRule& rule, const RandomLane& random);

/// Calls work(from, to) with memory in the pairs of types that have loops; bfloat16 is its 16 bits. Inline for the CUDA
/// plugin, which shares no symbols with the core.
template <class Work>
void with_types(const at::Tensor& values, const at::Tensor& out, const Work& work) {
  const void* from = values.const_data_ptr();
  void* to = out.data_ptr();
  if (values.scalar_type() == at::kBFloat16)
    work(static_cast<const uint16_t*>(from), static_cast<uint16_t*>(to));
  else if (out.scalar_type() == at::kBFloat16)
    work(static_cast<const float*>(from), static_cast<uint16_t*>(to));
  else
    work(static_cast<const float*>(from), static_cast<float*>(to));
}

}  // namespace earlybird::mx
