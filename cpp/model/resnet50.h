#pragma once

#include <memory>

#include "model/network.h"

namespace earlybird {

/// ResNet-50 v1.5 for ImageNet with biases in the shortcuts (docs/reference.md#4.4): `resnet50_official` at full width,
/// and `resnet50_prune` with free widths, for tickets.
std::shared_ptr<Network> build_resnet50(const ModelSpec& spec);

}  // namespace earlybird
