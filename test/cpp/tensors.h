#pragma once

#include <ATen/ATen.h>

/// The position in a random sequence, as RandomLane holds it.
inline at::Tensor position_of(int64_t epoch, int64_t step) { return at::full({}, epoch << 32 | step, at::kLong); }

/// Compares bits, so that NaN equals itself and -0 differs from 0.
inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const auto bits = [](const at::Tensor& t) {
    return t.contiguous().view(t.scalar_type() == at::kFloat ? at::kInt : at::kShort);
  };
  return a.sizes() == b.sizes() && at::equal(bits(a), bits(b));
}

/// The largest difference, as a fraction of the largest value wanted; 1 where only one of them is there.
inline double deviation(const at::Tensor& got, const at::Tensor& want) {
  if (!got.defined() || !want.defined()) return got.defined() == want.defined() ? 0 : 1;
  return ((got.to(at::kDouble) - want).abs().max() / want.abs().max().clamp_min(1e-30)).item<double>();
}
