#pragma once

#include <ATen/core/Tensor.h>

#include <unordered_map>

#include "quant/block_float.h"

namespace earlybird {

/// What the quantised layers of one forward pass share.
struct QuantizedPass {
  NumberFormats formats;
  /// kActivation in training, kTest elsewhere.
  NumberKind outputs = NumberKind::kActivation;
  uint64_t seed = 1;
  /// See RandomLane and block_quantize.
  at::Tensor position, faults;
  /// The number of each layer, by the address of its module.
  std::unordered_map<const void*, size_t> layers;
};

/// Layers called by this thread while it lives are quantised; nothing changes where there is no `pass`, which must
/// outlive the guard. What they leave for the backward pass, which may run later and on another thread, is their own.
class QuantizeGuard {
 public:
  explicit QuantizeGuard(const QuantizedPass* pass);
  ~QuantizeGuard();
  QuantizeGuard(const QuantizeGuard&) = delete;
  QuantizeGuard& operator=(const QuantizeGuard&) = delete;

 private:
  const QuantizedPass* before_;
};

/// `output` of a layer (N, C, H, W), in block floating point with one exponent a sample; likewise the gradient that
/// comes back to it (spec section 10). In between the gradient is handed on unchanged, as if nothing had been rounded.
/// The values are changed in place: nobody may have kept `output`. Without a guard, or in full precision, it is
/// returned as it is.
at::Tensor quantized(const at::Tensor& output, const void* layer);

}  // namespace earlybird
