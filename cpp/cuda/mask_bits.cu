// The operator mask_bits on CUDA.
#include "cuda/mask_bits.cuh"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <algorithm>

namespace earlybird {
namespace {

using namespace cuda_mask_bits;

at::Tensor mask_bits_cuda(const at::Tensor& magnitude, const at::Tensor& pool, at::IntArrayRef positions,
                          const std::optional<at::Tensor>& kept_above) {
  const c10::cuda::CUDAGuard guard(magnitude.device());
  const int64_t channels = magnitude.numel(), row = kThresholdBytes + (channels + 7) / 8;
  at::Tensor out = at::empty({static_cast<int64_t>(positions.size()) * row}, magnitude.options().dtype(at::kByte));
  for (size_t first = 0; first < positions.size(); first += kPositions) {
    const size_t count = std::min<size_t>(kPositions, positions.size() - first);
    Positions some{};
    std::copy_n(positions.begin() + first, count, some.at);
    mask_bits(magnitude.const_data_ptr<int32_t>(), pool.const_data_ptr<int32_t>(), some, static_cast<int>(count),
              kept_above ? kept_above->const_data_ptr<int32_t>() : nullptr, channels,
              out.data_ptr<uint8_t>() + static_cast<int64_t>(first) * row, c10::cuda::getCurrentCUDAStream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return out;
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) { m.impl("mask_bits", &earlybird::mask_bits_cuda); }
