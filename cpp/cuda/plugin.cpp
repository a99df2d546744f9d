// The functions of the plugin other than kernels; see core/cuda_interface.h.
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>

#include <memory>

#include "core/cuda_interface.h"
#include "cuda/cuda_graph.h"
#include "cuda/nccl.h"

namespace earlybird {
namespace {

class Cuda final : public CudaInterface {
 public:
  int device_count() override { return c10::cuda::device_count(); }

  CudaDevice describe(int index) override {
    const cudaDeviceProp* properties = at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(index));
    char pci_bus_id[32] = "";
    C10_CUDA_CHECK(cudaDeviceGetPCIBusId(pci_bus_id, sizeof pci_bus_id, index));
    return {index, properties->name, properties->totalGlobalMem,
            std::to_string(properties->major) + "." + std::to_string(properties->minor), pci_bus_id};
  }

  std::unique_ptr<Graph> graph(int index) override { return make_cuda_graph(index); }

  void make_collectives(DeviceBackend& backend) override { make_nccl(backend); }
};

}  // namespace
}  // namespace earlybird

extern "C" __attribute__((visibility("default"))) earlybird::CudaInterface* earlybird_cuda_interface_v3() {
  static auto* cuda = new earlybird::Cuda();  // leaked: CUDA's globals may be destroyed before it at exit
  return cuda;
}
