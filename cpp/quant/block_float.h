#pragma once

#include <ATen/core/Tensor.h>

#include "quant/formats.h"

namespace earlybird {

/// Block floating point of one kind of tensor.
struct BlockFloat {
  /// Word length, 2 to 22, or NumberFormats::kFull: the values stay as they are.
  int64_t bits = NumberFormats::kFull;
  /// One exponent for each index of this dimension; -1: one for the whole tensor. A 1-D tensor with dimension 0 has one
  /// a value.
  int64_t dim = 0;
  Rounding rounding = Rounding::kStochastic;
  BlockFlavour flavour = BlockFlavour::kQtorch;
};

/// The dimension with exponents of its own, for the output of a layer and its error: QPyTorch takes an exponent a
/// sample, SWALP one for all.
inline int64_t output_dim(BlockFlavour flavour) { return flavour == BlockFlavour::kSwalp ? -1 : 0; }

/// The same for a parameter, its gradient and momentum: an exponent an output channel, but SWALP takes one for all of a
/// tensor with one dimension.
inline int64_t parameter_dim(const at::Tensor& parameter, BlockFlavour flavour) {
  return parameter.dim() == 0 || (parameter.dim() == 1 && flavour == BlockFlavour::kSwalp) ? -1 : 0;
}

/// What the values are. Part of the random counter, so that no two tensors of a step share bits. In the order in which
/// a step makes them: an infinity is reported where it came first.
enum class NumberKind : uint32_t { kActivation = 1, kError = 2, kGradient = 3, kWeight = 4, kMomentum = 5, kTest = 6 };

/// Where a tensor's random bits come from: philox(seed, lane, epoch, step and element). Nothing is drawn ahead or
/// stored.
struct RandomLane {
  uint64_t seed = 1;
  /// `kind` << 20 | ordinal of the layer or parameter; see lane_of and error_lane_of.
  uint32_t lane = 0;
  /// int64 scalar on the device of the values: epoch << 32 | step. Read by the kernel, so that a captured step
  /// advances.
  at::Tensor position = {};
};

inline uint32_t lane_of(NumberKind kind, size_t ordinal) {
  return static_cast<uint32_t>(kind) << 20 | static_cast<uint32_t>(ordinal);
}

/// Of the error of layer `ordinal` of `layers`: the backward pass begins with the last.
inline uint32_t error_lane_of(size_t layers, size_t ordinal) {
  return lane_of(NumberKind::kError, layers - 1 - ordinal);
}

/// No block was at fault.
inline constexpr int64_t kNoFault = INT64_MAX;

/// Rounds `values` (float32 or bfloat16, any shape and strides) to block floating point; the result is dense in the
/// suggested memory format. The element's number, of which its random bits depend, counts in memory order.
///
/// Blocks with an infinity or NaN stay as they are; where `faults` (int64 scalar on the device, kNoFault at first) is
/// defined it then becomes the least of itself and step << 32 | lane.
/// CPU and CUDA are to give the same bits (test/native/cuda-low-precision). The slow twin is plain_block_quantize.
/// Throws ERR_SHAPE where there is no such dimension, ERR_USAGE for other word lengths.
at::Tensor block_quantize(const at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                          const at::Tensor& faults = {});

/// The same, in the memory of `values`, which must be dense.
void block_quantize_(at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                     const at::Tensor& faults = {});

/// The same by ATen's operators, on any device; draws its bits on the host.
at::Tensor plain_block_quantize(const at::Tensor& values, const BlockFloat& format, const RandomLane& random);

}  // namespace earlybird
