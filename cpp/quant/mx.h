#pragma once

#include <ATen/core/Tensor.h>

#include "quant/block_float.h"
#include "quant/mx_format.h"

namespace earlybird {

/// The rounding of a tensor to blocks of a format along dimension `dim`. Its entries are cut into `groups` runs of
/// equal length and each run into blocks, of which the last may be shorter: a block never spans two groups of a
/// convolution.
struct MxRule {
  const MxFormat* format = &kMxFormats[0];
  MxScale scale = MxScale::kFloor;
  MxRounding rounding = MxRounding::kEven;
  int64_t dim = 0;
  int64_t groups = 1;
};

/// A tensor in a format. `scale` (uint8) and `codes` (uint8, one an element) are in the order of the tensor's memory;
/// `values` has its shape and strides.
struct MxTensor {
  at::Tensor scale, codes, values;
  /// 1 for all formats but NVFP4.
  float tensor_scale = 1;
};

/// Rounds float32 or bfloat16 values, of any shape and strides, to a format and back, in one pass over memory (NVFP4:
/// two); the result is dense in the suggested memory format, of type `dtype` (float32 or bfloat16). In
/// bfloat16 it is exact but for NVFP4, whose tensor scale has 24 bits. Blocks with a NaN become NaN; what an infinity
/// becomes, and all other rules: docs/low-precision.md. A block with an infinity or NaN is a fault (block_quantize).
/// The random bits of an element depend on its number in memory order, so that the result does not depend on threads.
/// CPU and CUDA give the same bits (test/native/cuda-low-precision). The slow twin is mx_quantize.
///
/// Throws ERR_SHAPE for a dimension that does not exist or that `groups` do not divide, ERR_DTYPE for other types.
at::Tensor mx_round(const at::Tensor& values, const MxRule& rule, const RandomLane& random = {},
                    at::ScalarType dtype = at::kFloat, const at::Tensor& faults = {});

/// The same on the CPU by the simplest loop over blocks, in integers; also gives scales and codes.
MxTensor mx_quantize(const at::Tensor& values, const MxRule& rule, const RandomLane& random = {});

}  // namespace earlybird
