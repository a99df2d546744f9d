#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "quant/mx_format.h"

namespace earlybird {

/// Milliseconds a call of one kernel on one shape. `bytes`: each value read once and written once.
struct KernelTime {
  std::string kernel, name;
  std::vector<int64_t> shape;
  double bytes, median, low, high;
};

/// Times "copy" and "quantize" (into new memory) of float32 tensors of the sizes of a VGG-16 at batch 256, and of one
/// larger than every cache: block floating point (stochastic, an exponent per index of dimension 0), or with `format`
/// blocks of it along channels (dim 1) and along the batch (dim 0), to even and stochastic, of channels_last images.
/// Checks `cancel` before each kernel.
std::vector<KernelTime> time_kernels(const std::string& device, int64_t bits, const MxFormat* format,
                                     int64_t repetitions, const CancelToken& cancel);

/// The upper limits of a device: "copy" of `copy_bytes` of float32, and "matmul", the fastest product that the machine
/// has in fp32 and in bf16 (left out on a CPU without bfloat16 instructions): of two `side` x `side` matrices, and on a
/// CPU also by oneDNN, by our kernel, and as a 3x3 convolution of the same work. `bytes` of a product: its three
/// matrices once each.
std::vector<KernelTime> time_ceilings(const std::string& device, int64_t copy_bytes, int64_t side, int64_t repetitions,
                                      const CancelToken& cancel);

}  // namespace earlybird
