#pragma once

#include <string>

#include "core/host_tensor.h"
#include "quant/mx.h"
#include "quant/mx_products.h"

namespace earlybird {

/// The arguments of mx_quantize as a caller outside of the core gives them; epoch and step are the position.
struct HostMxRounding {
  MxRule rule;
  uint64_t seed = 1;
  uint32_t lane = 0, epoch = 0, step = 0;
  /// The kernel's device; the plain twin and convolutions run on the CPU.
  std::string device = "cpu";
  /// Uses the plain twin for the values as well.
  bool plain = false;
};

struct HostMxTensor {
  HostTensor scale, codes, values;
  double tensor_scale = 1;
};

/// Scales and codes of float32 values from mx_quantize, values from mx_round on the device.
HostMxTensor mx_quantize_on_host(const HostTensor& values, const HostMxRounding& rounding);

/// y, dx and dw of mx_convolution, float64.
std::array<HostTensor, 3> mx_convolution_on_host(const HostTensor& x, const HostTensor& w, const HostTensor& dy,
                                                 const MxConvShape& shape, const HostMxRounding& rounding);

}  // namespace earlybird
