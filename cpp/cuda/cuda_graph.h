#pragma once

#include <memory>

#include "core/graph.h"

namespace earlybird {

/// A CUDA graph of this device.
std::unique_ptr<Graph> make_cuda_graph(int device);

}  // namespace earlybird
