#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace earlybird {

/// A GPU as its driver sees it now.
struct GpuState {
  std::string name, pci_bus_id, driver;
  std::optional<double> temperature_c, power_limit_watts;
  /// MHz.
  std::optional<double> sm_clock, memory_clock, max_sm_clock;
  bool mig = false;
  /// Other processes that compute on it.
  int64_t other_processes = 0;
};

/// How the driver measures power: at this instant, or the mean of the last second.
enum class PowerReading { kInstant, kAverage };

/// One GPU by way of NVML, the driver's own library, which is opened at run time: machines without it build and run the
/// same program. Every call is safe beside CUDA's, on any thread.
class NvmlGpu {
 public:
  static constexpr const char* kLibrary = "libnvidia-ml.so.1";

  /// Throws ERR_ENERGY where there is no NVML (an empty `library` is the system's), or no such GPU.
  NvmlGpu(const std::string& library, const std::string& pci_bus_id);
  ~NvmlGpu();
  NvmlGpu(const NvmlGpu&) = delete;

  const std::string& name() const { return name_; }
  const std::string& pci_bus_id() const { return pci_bus_id_; }

  // Each gives nothing, and why, where the driver refuses.
  /// Since the driver was loaded.
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
