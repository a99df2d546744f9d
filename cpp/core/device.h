#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace earlybird {

struct DeviceBackend;  // dist/device_backend.h

struct CudaDevice {
  int index;
  std::string name;
  uint64_t memory_bytes;
  std::string capability;
  /// In the driver's notation, for example "0000:18:00.0".
  std::string pci_bus_id;
};

struct Runtime {
  int threads;
  std::string cpu_capability;
  bool bf16;
  bool cuda_built;
  bool cuda_plugin;
  std::vector<CudaDevice> cuda_devices;
};

/// The devices and capabilities of this process.
Runtime runtime();

/// "cpu", "cuda" or "cuda:N", checked: throws ERR_DEVICE when the device is not there.
std::string checked_device(const std::string& name);

/// Makes the collectives of a checked device; empty for the CPU, whose memory is the host's. Throws ERR_NOT_BUILT.
std::function<void(DeviceBackend&)> collectives_of(const std::string& device);

/// PCI bus id of a checked device; empty for the CPU.
std::string pci_bus_id(const std::string& device);

/// Waits until a checked device has done all its work. Only on the engine's thread.
void synchronise(const std::string& device);

/// True where the CPU has instructions that multiply bfloat16.
bool has_bf16();

void set_threads(int threads);

/// See setCudnnSearch in src/native/types/addon.ts.
void set_cudnn_search(bool on);

/// Opens the CUDA plugin so that its kernels join the dispatcher. Never closed.
void load_plugin(const std::string& path);

/// The version of the loaded LibTorch (not the one compiled against), for example "2.13.0"; "" if it is unknown.
std::string loaded_libtorch();

/// Process-wide settings, once: flush denormals, no inter-op threads.
void initialise_process();

}  // namespace earlybird
