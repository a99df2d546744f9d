#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "energy/source.h"

namespace earlybird {

struct EnergyValue {
  EnergyPart part;
  /// None if nothing could be read; `reason` says why. With a figure, `reason` says how coarse it is.
  std::optional<double> joules;
  std::optional<EnergyMethod> method;
  std::string reason;
};

/// One closed window.
struct EnergyReading {
  std::string name;
  double seconds = 0;
  /// Sum of all parts that were read; none if there were none.
  std::optional<double> joules;
  std::vector<EnergyValue> parts;
};

/// Measures the energy used in nested windows of time. Safe on any thread.
class EnergyMeter {
 public:
  using Sources = std::vector<std::unique_ptr<EnergySource>>;
  /// Seconds of a monotonic clock.
  using Clock = std::function<double()>;
  static double steady_seconds();

  /// `watts` gives an estimate, marked as such, for windows without any reading.
  EnergyMeter(Sources sources, std::optional<double> watts, Clock clock = steady_seconds);
  ~EnergyMeter();
  EnergyMeter(const EnergyMeter&) = delete;

  std::vector<EnergySourceInfo> sources();

  /// Throws ERR_USAGE where a window of this name is open.
  void begin(const std::string& name);
  /// Throws ERR_USAGE where the innermost window is not of this name.
  EnergyReading end(const std::string& name);

  /// Reads the sources that need regular readings; the sampler calls it while a window is open.
  void poll();

 private:
  struct Moment {
    double seconds;
    std::vector<EnergyTotal> totals;
  };
  struct Window {
    std::string name;
    Moment start;
  };
  Moment now();

  std::mutex order_;  // one begin or end at a time
  std::mutex mutex_;  // the sources and the windows
  const Sources sources_;
  const std::optional<double> watts_;
  const Clock clock_;
  std::vector<EnergySourceInfo> infos_;  // part and method, as of the start
  bool polled_ = false;
  std::vector<Window> open_;
};

struct EnergyMeterOptions {
  /// PCI address of the GPU; empty: none is read.
  std::string pci_bus_id;
  /// Replacements of the system's NVML and powercap tree; empty: none.
  std::string nvml, powercap;
  std::optional<double> watts;
};

/// The sources of this machine.
EnergyMeter::Sources energy_sources(const EnergyMeterOptions& options);

}  // namespace earlybird
