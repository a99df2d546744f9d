#pragma once

#include <memory>
#include <string>

#include "energy/source.h"

namespace earlybird {

/// Integral of power over time by trapezoids; a failed sample leaves a gap that no figure spans.
class PowerIntegral {
 public:
  void sample(double now, double watts);
  void gap(const std::string& why);
  const EnergyTotal& total() const { return total_; }

 private:
  EnergyTotal total_;
  bool begun_ = false;
  double seconds_ = 0, watts_ = 0;
};

/// The board of the GPU at this PCI bus id: its energy counter, or sampled power, or a source with the reason why
/// neither can be read. `library` replaces the system's NVML.
std::unique_ptr<EnergySource> gpu_energy(const std::string& library, const std::string& pci_bus_id);

}  // namespace earlybird
