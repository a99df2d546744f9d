#pragma once

#include <cstdint>

#include "quant/mx_format.h"

namespace earlybird {

/// The rounding of block floating point (Yang et al., SWALP, ICML 2019; docs/reference.md#10).
enum class Rounding { kNearest, kStochastic };

/// QPyTorch's quantiser, which the reference uses, or SWALP's own; they differ in details.
enum class BlockFlavour { kQtorch, kSwalp };

/// Formats to which the products of a convolution round their operands (mx_products.h); null: not rounded.
struct OperandFormats {
  const MxFormat *weight = nullptr, *activate = nullptr;
  /// Formats of the gradient of an output, as operand of the gradient of the input and of that of the weight.
  const MxFormat *error = nullptr, *grad = nullptr;
  MxScale scale = MxScale::kFloor;
  /// Rounding of weights and activations, and rounding of the gradients of outputs.
  MxRounding forward = MxRounding::kEven, backward = MxRounding::kStochastic;
  /// True where no full-precision copy is kept: weights of convolutions are rounded after each step, stochastically.
  bool keep_weights = false;
  /// Replaces a format of weights by a word length of block floating point, to the nearest, shorter than that of the
  /// weights between steps; -1: none.
  int64_t weight_bits = -1;

  bool any() const { return weight || activate || error || grad || weight_bits != -1; }

  bool operator==(const OperandFormats&) const = default;
};

/// Word lengths in bits of the number types of low-precision training: kFull, or 2 to 22.
struct NumberFormats {
  static constexpr int64_t kFull = -1;
  int64_t weight = kFull, activate = kFull, grad = kFull, error = kFull, momentum = kFull;
  Rounding rounding = Rounding::kStochastic;
  BlockFlavour flavour = BlockFlavour::kQtorch;
  /// True where a block with an infinity or NaN ends the epoch with ERR_NUMERIC; otherwise it is not rounded.
  bool refuse_non_finite = true;
  OperandFormats operands = {};

  bool operator==(const NumberFormats&) const = default;
};

}  // namespace earlybird
