#pragma once

#include <string>

#include "core/host_tensor.h"
#include "quant/block_float.h"

namespace earlybird {

/// The arguments of block_quantize as a caller outside of the core gives them; epoch and step are the position.
struct HostRounding {
  BlockFloat format;
  uint64_t seed = 1;
  uint32_t lane = 0, epoch = 0, step = 0;
  std::string device = "cpu";
  /// Uses the plain twin.
  bool plain = false;
};

/// block_quantize of float32 or bfloat16 values, computed on `rounding.device`.
HostTensor block_quantize_on_host(const HostTensor& values, const HostRounding& rounding);

}  // namespace earlybird
