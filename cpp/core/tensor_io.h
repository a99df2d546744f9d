#pragma once

#include <ATen/core/Tensor.h>

#include "core/host_tensor.h"

namespace earlybird {

/// A contiguous (NCHW) copy on the host, whatever the layout and device of `tensor`.
HostTensor to_host(const at::Tensor& tensor);

/// A CPU tensor over the same memory, no copy: it must not outlive `tensor.data`.
at::Tensor view_of(const HostTensor& tensor);

}  // namespace earlybird
