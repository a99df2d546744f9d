#pragma once

#include <cstdint>
#include <vector>

namespace earlybird {

/// The order in which an epoch visits the images: a Philox-keyed shuffle.
std::vector<int64_t> shuffled(int64_t count, uint64_t seed, uint32_t epoch);

/// Every `world_size`-th image of an order from `rank` on. Padded, the order begins again until all ranks have the same
/// number, so that no rank waits for gradients that never come.
std::vector<int64_t> share_of(const std::vector<int64_t>& order, int64_t rank, int64_t world_size, bool padded);

}  // namespace earlybird
