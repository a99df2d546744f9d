#include "cuda/nccl.h"

#include "core/error.h"
#include "dist/device_backend.h"

// LibTorch holds NCCL and the class that calls it; that class is declared by means of NCCL's own header.
#if __has_include(<nccl.h>)
#define USE_C10D_NCCL
#include <stdlib.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace earlybird {

void make_nccl([[maybe_unused]] DeviceBackend& backend) {
#ifdef USE_C10D_NCCL
  // c10d would end the process where a rank is lost; the error that the host meets says more.
  setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "2", /*overwrite=*/0);
  const auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = backend.timeout;
  backend.made = c10::make_intrusive<c10d::ProcessGroupNCCL>(backend.store, backend.rank, backend.size, options);
#else
  throw Error("ERR_NOT_BUILT",
              "The CUDA plugin was built without nccl.h, so that ranks cannot meet on GPUs: install "
              "nvidia-nccl-cu13 beside LibTorch and build again, or give --device cpu.");
#endif
}

}  // namespace earlybird
