#pragma once

#include <memory>

#include "model/network.h"

namespace earlybird {

/// A network that is data (network_data.h). Its cfg holds the width of each of its cuts.
std::shared_ptr<Network> build_interpreted(const ModelSpec& spec);

}  // namespace earlybird
