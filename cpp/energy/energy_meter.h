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
  /// None where nothing could be read: `reason` says why. With a figure, `reason` says how coarse it is.
  std::optional<double> joules;
  std::optional<EnergyMethod> method;
  std::string reason;
};

/// One closed window.
struct EnergyReading {
  std::string name;
  double seconds = 0;
  /// Of all parts that were read; none where none was.
  std::optional<double> joules;
  std::vector<EnergyValue> parts;
};

/// Windows of time, one in the other, and the energy that went into them. Safe on any thread.
class EnergyMeter {
 public:
  using Sources = std::vector<std::unique_ptr<EnergySource>>;
  /// Seconds of a monotonic clock.
  using Clock = std::function<double()>;
  static double steady_seconds();

  /// `watts` is counted in windows in which no source gave anything, and flagged as an estimate.
  EnergyMeter(Sources sources, std::optional<double> watts, Clock clock = steady_seconds);
  ~EnergyMeter();
  EnergyMeter(const EnergyMeter&) = delete;

  std::vector<EnergySourceInfo> sources();

  /// Throws ERR_USAGE where a window of this name is open.
  void begin(const std::string& name);
  /// Throws ERR_USAGE where the innermost window is not of this name.
  EnergyReading end(const std::string& name);

  /// Follows the sources that must be read now and then: the sampler's task while a window is open.
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
  std::vector<EnergySourceInfo> infos_;  // as they were at first: part and method
  bool polled_ = false;
  std::vector<Window> open_;
};

struct MeterOptions {
  /// Of the GPU; empty where none is to be read.
  std::string pci_bus_id;
  /// NVML and powercap tree to read in place of the system's, where not empty.
  std::string nvml, powercap;
  std::optional<double> watts;
};

/// What this machine can be read by.
EnergyMeter::Sources energy_sources(const MeterOptions& options);

}  // namespace earlybird
