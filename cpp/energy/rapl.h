#pragma once

#include <memory>
#include <string>
#include <vector>

#include "energy/source.h"

namespace earlybird {

inline constexpr const char* kPowercap = "/sys/class/powercap";

/// Sources for the processor's packages and for its memory, each the sum over all sockets, from the RAPL counters that
/// Linux shows under `root`. AMD's processors use the same names and have no counter for memory. A source that cannot
/// be read gives the reason; one socket without a counter makes the sum unreadable, because it would be too small.
std::vector<std::unique_ptr<EnergySource>> rapl_energy(const std::string& root);

}  // namespace earlybird
