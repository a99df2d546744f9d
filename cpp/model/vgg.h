#pragma once

#include <memory>

#include "model/network.h"

namespace earlybird {

/// VGG for 32x32 images (docs/reference.md#4.1). Depth 11, 13, 16 or 19, or any depth with a cfg.
std::shared_ptr<Network> build_vgg(const ModelSpec& spec);

}  // namespace earlybird
