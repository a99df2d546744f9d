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
///
/// Up to 9 bits, such values have 8 significant ones and are exact in bfloat16: under autocast, convolutions multiply
/// weights (from the first step on) and errors as they are, and add up in float32. What bfloat16 does round is the sum
/// itself, once, before it comes here, and the input of a convolution, which BN and ReLU leave on no grid. In float32
/// neither is rounded.
///
/// The values are changed in place: nobody may have kept `output`. Without a guard, or in full precision, it is
/// returned as it is.
at::Tensor quantized(const at::Tensor& output, const void* layer);

}  // namespace earlybird
