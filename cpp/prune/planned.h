#pragma once

#include <vector>

#include "prune/plan.h"

namespace earlybird {

/// The layers of the ticket that a plan makes of a network, as the ticket would describe them, without building it.
/// They keep the keys of the network.
std::vector<LayerInfo> planned_layers(const ModelDescription& description, const PrunePlan& plan);

}  // namespace earlybird
