#pragma once

#include <memory>
#include <string>
#include <vector>

#include "energy/source.h"

namespace earlybird {

inline constexpr const char* kPowercap = "/sys/class/powercap";

/// The processor's packages and its memory, from the counters (RAPL) that Linux shows under `root`: the sum of all
/// sockets for each of the two. AMD's processors have the same names, and no counter for memory. Where something cannot
/// be read a source says why; one socket without a counter makes the sum unreadable, as it would be too small.
std::vector<std::unique_ptr<EnergySource>> rapl_energy(const std::string& root);

}  // namespace earlybird
