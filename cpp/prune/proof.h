#pragma once

#include <vector>

#include "prune/mask.h"

namespace earlybird {

/// Compares gammas and masks of all ranks, by a hash of each. Throws ERR_RANKS on every rank where they differ: it
/// names the first rank, layer and channel.
void prove_equal(const Network& network, const std::vector<Mask>& masks);

}  // namespace earlybird
