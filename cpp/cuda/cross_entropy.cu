// The operator cross_entropy_step on CUDA.
#include "cuda/cross_entropy.cuh"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

namespace earlybird {
namespace {

using namespace cuda_cross_entropy;

at::Tensor cross_entropy_step_cuda(const at::Tensor& logits, const at::Tensor& labels, at::Tensor& sums, double share) {
  const c10::cuda::CUDAGuard guard(logits.device());
  const at::Tensor from = logits.contiguous();
  at::Tensor gradient = at::empty_like(from);
  const int64_t rows = from.size(0);
  // Every call has its own counter, so that streams and graphs never share one.
  at::Tensor ended = at::zeros({1}, labels.options().dtype(at::kInt));
  at::Tensor results = at::empty({rows, 2}, labels.options().dtype(at::kInt));
  cross_entropy(
      {from.const_data_ptr<float>(), labels.const_data_ptr<int64_t>(), rows, static_cast<int>(from.size(1)), share},
      gradient.data_ptr<float>(), reinterpret_cast<Row*>(results.data_ptr<int32_t>()),
      reinterpret_cast<unsigned*>(ended.data_ptr<int32_t>()), sums.data_ptr<double>(),
      c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return gradient;
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) { m.impl("cross_entropy_step", &earlybird::cross_entropy_step_cuda); }
