#pragma once

#include <memory>

#include "model/network.h"

namespace earlybird {

/// ResNet-18 or 34 for ImageNet with a channel selection before every block (docs/reference.md#4.3).
std::shared_ptr<Network> build_resnet(const ModelSpec& spec);

}  // namespace earlybird
