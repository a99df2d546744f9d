#pragma once

#include "core/device.h"
#include "core/graph.h"

namespace earlybird {

/// The functions of the CUDA plugin other than kernels, which register with PyTorch's dispatcher. The addon itself
/// links no CUDA library.
class CudaInterface {
 public:
  virtual ~CudaInterface() = default;
  virtual int device_count() = 0;
  virtual CudaDevice describe(int index) = 0;
  virtual std::unique_ptr<Graph> graph(int index) = 0;
  /// Fills in NCCL's collectives.
  virtual void make_collectives(DeviceBackend& backend) = 0;
};

/// The plugin's only exported C symbol. Its number changes with this interface, so that an old plugin is refused.
inline constexpr const char* kCudaInterfaceSymbol = "earlybird_cuda_interface_v3";

}  // namespace earlybird
