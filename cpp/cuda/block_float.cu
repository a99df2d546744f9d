// The operator block_quantize_out on CUDA.
#include "cuda/block_float.cuh"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include "quant/blocks.h"

namespace earlybird {
namespace {

using namespace quant;

void block_quantize_cuda(const at::Tensor& values, int64_t bits, int64_t dim, bool nearest, bool swalp, int64_t seed,
                         int64_t lane, const std::optional<at::Tensor>& position,
                         const std::optional<at::Tensor>& faults, at::Tensor out) {
  const c10::cuda::CUDAGuard guard(values.device());
  const Blocks shape = blocks_in(values, dim);
  const auto run = [&](auto type) {
    using T = decltype(type);
    const Call<T> call{static_cast<const T*>(values.const_data_ptr()),
                       static_cast<T*>(out.data_ptr()),
                       shape.elements(),
                       shape.blocks,
                       shape.inner,
                       grid_of(bits, nearest),
                       static_cast<uint64_t>(seed),
                       static_cast<uint32_t>(lane),
                       position ? position->const_data_ptr<int64_t>() : nullptr,
                       faults ? faults->data_ptr<int64_t>() : nullptr};
    const int64_t count = tops_of(call);
    const at::Tensor maxima = count ? at::zeros({count}, values.options().dtype(at::kInt)) : at::Tensor();
    auto* tops = count ? static_cast<uint32_t*>(maxima.mutable_data_ptr()) : nullptr;
    const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
    if (swalp)
      quantize<Swalp>(call, tops, stream);
    else
      quantize<Qtorch>(call, tops, stream);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  };
  if (values.scalar_type() == at::kFloat)
    run(float{});
  else
    run(uint16_t{});
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) { m.impl("block_quantize_out", &earlybird::block_quantize_cuda); }
