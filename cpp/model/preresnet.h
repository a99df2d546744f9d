#pragma once

#include <memory>

#include "model/network.h"

namespace earlybird {

/// PreResNet with bottlenecks for 32x32 images, depth 9n+2 (docs/reference.md#4.2).
std::shared_ptr<Network> build_preresnet(const ModelSpec& spec);

}  // namespace earlybird
