#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace earlybird {

/// The state of a GPU, as its driver reports it.
struct GpuState {
  std::string name, pci_bus_id, driver;
  std::optional<double> temperature_c, power_limit_watts;
  /// Clocks in MHz.
  std::optional<double> sm_clock, memory_clock, max_sm_clock;
  bool mig = false;
  /// Number of other processes that compute on it.
  int64_t other_processes = 0;
};

/// The driver's ways to measure power: at this instant, or the mean of the last second.
enum class PowerReading { kInstant, kAverage };

/// One GPU, read with NVML, the driver's library. It is opened at run time, so that the program also builds and runs on
/// machines without it. Every call is safe beside CUDA calls, on any thread.
class NvmlGpu {
 public:
  static constexpr const char* kLibrary = "libnvidia-ml.so.1";

  /// Throws ERR_ENERGY if there is no NVML (an empty `library` is the system's) or no such GPU.
  NvmlGpu(const std::string& library, const std::string& pci_bus_id);
  ~NvmlGpu();
  NvmlGpu(const NvmlGpu&) = delete;

  const std::string& name() const { return name_; }
  const std::string& pci_bus_id() const { return pci_bus_id_; }

  // Both return nothing and set `why` if the driver refuses.
  /// Energy since the driver was loaded.
  std::optional<double> joules(std::string& why) const;
  std::optional<double> watts(PowerReading kind, std::string& why) const;

  bool mig() const;
  int64_t other_processes() const;
  GpuState state() const;

 private:
  struct Api;
  std::string text(int code) const;

  const Api* api_;  // leaked, like the library: one for each NvmlGpu
  void* device_ = nullptr;
  std::string pci_bus_id_, name_;
};

}  // namespace earlybird
