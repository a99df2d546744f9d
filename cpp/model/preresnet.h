#pragma once

#include <memory>

#include "model/network.h"

namespace earlybird {

/// PreResNet with bottlenecks for 32x32 images, depth 9n+2 (the release's models/preresnet.py; spec section 3.2).
std::shared_ptr<Network> build_preresnet(const ModelSpec& spec);

}  // namespace earlybird
