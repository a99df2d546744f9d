#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <unordered_map>

#include "quant/mx_products.h"

namespace earlybird {

/// The common state of the quantised layers of one forward pass.
struct QuantizedPass {
  NumberFormats formats;
  /// kActivation in training, kTest elsewhere.
  NumberKind outputs = NumberKind::kActivation;
  uint64_t seed = 1;
  /// See RandomLane and block_quantize.
  at::Tensor position, faults;
  /// The index of each layer, by the address of its module.
  std::unordered_map<const void*, size_t> layers;
};

/// Quantises the layers that this thread calls while it lives; does nothing if `pass` is null. `pass` must outlive the
/// guard, but not the backward pass, which may run later and on another thread.
class QuantizeGuard {
 public:
  explicit QuantizeGuard(const QuantizedPass* pass);
  ~QuantizeGuard();
  QuantizeGuard(const QuantizeGuard&) = delete;
  QuantizeGuard& operator=(const QuantizeGuard&) = delete;

 private:
  const QuantizedPass* before_;
};

/// True while a guard with a pass lives.
bool quantises();

/// The rounding of the operands of a layer's products. It outlives the forward pass, for the backward pass.
struct OperandRounding {
  OperandFormats formats;
  BlockFlavour flavour;
  NumberKind kind;
  size_t layer, layers;
  uint64_t seed;
  at::Tensor position, faults;

  /// mx_operands in the formats of both operands, of the given types. The weight is the second one of its products.
  std::array<at::Tensor, 2> operands(ConvProduct product, const at::Tensor& first, const at::Tensor& second,
                                     int64_t groups, const std::array<at::ScalarType, 2>& dtypes) const;
};

/// The rounding of a layer that this thread computes; nullopt without a guard, or where operands are not rounded.
std::optional<OperandRounding> operand_rounding(const void* layer);

/// Rounds the `output` of a layer (N, C, H, W) to block floating point with one exponent a sample, and its gradient
/// (the error) likewise (docs/reference.md#10). The rounding itself passes gradients on unchanged.
///
/// Values of up to 9 bits have 8 significant ones and are exact in bfloat16: under autocast, convolutions multiply
/// exact weights (from the first step on) and errors, and add in float32, except by Winograd with integers
/// (winograd.h). bfloat16 rounds the sum once, before this function, and the input of a convolution, which after BN and
/// ReLU is on no grid. float32 rounds neither.
///
/// Changes the values in place: nobody else may hold `output`. Returns it unchanged without a guard or in full
/// precision.
at::Tensor quantized(const at::Tensor& output, const void* layer);

}  // namespace earlybird
