#pragma once

#include <memory>

#include "model/network.h"

namespace earlybird {

/// ResNet-50 v1.5 for ImageNet with biases in the shortcuts (spec section 3.4): `resnet50_official` at full width, and
/// `resnet50_prune`, every width free, which tickets are made of.
std::shared_ptr<Network> build_resnet50(const ModelSpec& spec);

}  // namespace earlybird
