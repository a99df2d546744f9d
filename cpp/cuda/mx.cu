// The operator mx_round_out on CUDA.
#include "cuda/mx.cuh"

#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include "quant/mx_tensors.h"

namespace earlybird {
namespace {

void mx_round_cuda(const at::Tensor& values, int64_t format, int64_t scale, int64_t rounding, int64_t length,
                   int64_t inner, int64_t seed, int64_t lane, const std::optional<at::Tensor>& position,
                   const std::optional<at::Tensor>& faults, at::Tensor out) {
  const c10::cuda::CUDAGuard guard(values.device());
  const mx::Kernel kernel = mx::kernel_of(format, scale, rounding);
  const at::Tensor top = kernel.format.tensor_scale ? at::zeros({1}, values.options().dtype(at::kInt)) : at::Tensor();
  mx::with_types(values, out, [&](const auto* from, auto* to) {
    const mx::Call call{from,
                        to,
                        mx::Rows{values.numel() / (length * inner), length, inner},
                        kernel,
                        static_cast<uint64_t>(seed),
                        static_cast<uint32_t>(lane),
                        position ? position->const_data_ptr<int64_t>() : nullptr,
                        faults ? faults->data_ptr<int64_t>() : nullptr,
                        top.defined() ? static_cast<uint32_t*>(top.mutable_data_ptr()) : nullptr};
    mx::round(call, c10::cuda::getCurrentCUDAStream());
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) { m.impl("mx_round_out", &earlybird::mx_round_cuda); }
