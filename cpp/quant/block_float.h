#pragma once

#include <ATen/core/Tensor.h>

#include "quant/formats.h"

namespace earlybird {

/// The block floating point format of one kind of tensor.
struct BlockFloat {
  /// Word length, 2 to 22, or NumberFormats::kFull: no rounding.
  int64_t bits = NumberFormats::kFull;
  /// One exponent for each index of this dimension; -1: one for the whole tensor. A 1-D tensor with dimension 0 has an
  /// exponent for each value.
  int64_t dim = 0;
  Rounding rounding = Rounding::kStochastic;
  BlockFlavour flavour = BlockFlavour::kQtorch;
};

/// The dimension of exponents for the output of a layer and its error: QPyTorch has one exponent a sample, SWALP one
/// for the tensor.
inline int64_t output_dim(BlockFlavour flavour) { return flavour == BlockFlavour::kSwalp ? -1 : 0; }

/// The same for a parameter, its gradient and momentum: one exponent an output channel; SWALP has one for a 1-D tensor.
inline int64_t parameter_dim(const at::Tensor& parameter, BlockFlavour flavour) {
  return parameter.dim() == 0 || (parameter.dim() == 1 && flavour == BlockFlavour::kSwalp) ? -1 : 0;
}

/// The kind of the values. Part of the random counter, so that no two tensors of a step share bits. Block floating
/// point is ordered as a step makes it, so that an infinity is reported where it occurred first; so are the operands of
/// products (operand_lane_of).
enum class NumberKind : uint32_t {
  kActivation = 1,
  kError = 2,
  kGradient = 3,
  kWeight = 4,
  kMomentum = 5,
  kTest = 6,
  kOperand = 7,
  kTestOperand = 8
};

/// The key of a tensor's random bits: philox(seed, lane, epoch, step and element). No bits are drawn ahead or stored.
struct RandomLane {
  uint64_t seed = 1;
  /// `kind` << 20 | ordinal of the layer or parameter; see lane_of and error_lane_of.
  uint32_t lane = 0;
  /// int64 scalar on the device of the values: epoch << 32 | step. The kernel reads it, so that a captured step
  /// advances.
  at::Tensor position = {};
};

inline uint32_t lane_of(NumberKind kind, size_t ordinal) {
  return static_cast<uint32_t>(kind) << 20 | static_cast<uint32_t>(ordinal);
}

/// The lane of the error of layer `ordinal` of `layers`. Lanes ascend in backward order, from the last layer.
inline uint32_t error_lane_of(size_t layers, size_t ordinal) {
  return lane_of(NumberKind::kError, layers - 1 - ordinal);
}

/// The value of `faults` if no block had a fault.
inline constexpr int64_t kNoFault = INT64_MAX;

/// Rounds `values` (float32 or bfloat16, any shape and strides) to block floating point; the result is dense in the
/// suggested memory format. The random bits of an element depend on its number in memory order.
///
/// Blocks with an infinity or NaN are not changed; `faults` (int64 scalar on the device, kNoFault at first), if
/// defined, then becomes the smaller of itself and step << 32 | lane. CPU and CUDA give the same bits
/// (test/native/cuda-low-precision). The slow twin is plain_block_quantize. Throws ERR_SHAPE for a dimension that does
/// not exist, ERR_USAGE for other word lengths.
at::Tensor block_quantize(const at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                          const at::Tensor& faults = {});

/// The same in place; `values` must be dense.
void block_quantize_(at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                     const at::Tensor& faults = {});

/// The same by ATen's operators, on any device. Draws the random bits on the host.
at::Tensor plain_block_quantize(const at::Tensor& values, const BlockFloat& format, const RandomLane& random);

}  // namespace earlybird
