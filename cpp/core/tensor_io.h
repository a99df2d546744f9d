#pragma once

#include <ATen/core/Tensor.h>

#include "core/host_tensor.h"

namespace earlybird {

/// A contiguous (NCHW) copy on the host, whatever the layout and device of `tensor`.
HostTensor to_host(const at::Tensor& tensor);

/// The tensors must be on one device.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
HostState to_host(const NamedTensors& tensors);

/// A CPU tensor over the same memory, no copy: it must not outlive `tensor.data`.
at::Tensor view_of(const HostTensor& tensor);

}  // namespace earlybird
