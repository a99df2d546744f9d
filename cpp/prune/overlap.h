#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace earlybird {

/// Fractions of equal bits (1 - Hamming distance) of every pair of `count` packed masks of `bits` bits: count * count,
/// row-major.
std::vector<double> mask_overlap(const uint8_t* masks, size_t count, size_t bits);

}  // namespace earlybird
