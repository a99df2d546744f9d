#pragma once

#include <string>

#include "core/host_tensor.h"
#include "quant/block_float.h"

namespace earlybird {

/// A rounding asked for from outside: `random.position` is made of epoch and step.
struct HostRounding {
  BlockFloat format;
  uint64_t seed = 1;
  uint32_t lane = 0, epoch = 0, step = 0;
  std::string device = "cpu";
  /// By the plain twin.
  bool plain = false;
};

/// block_quantize of float32 or bfloat16 values, computed on the device of the wish.
HostTensor block_quantize_on_host(const HostTensor& values, const HostRounding& wish);

}  // namespace earlybird
