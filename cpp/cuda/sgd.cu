// The operator sgd_step on CUDA.
#include "cuda/sgd.cuh"

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

namespace earlybird {
namespace {

void sgd_step_cuda(at::TensorList parameters, at::TensorList gradients, at::TensorList momentum,
                   at::IntArrayRef is_gamma, const at::Tensor& lr, double momentum_factor, double weight_decay,
                   double l1, at::IntArrayRef bits, bool nearest, bool swalp, int64_t seed,
                   const std::optional<at::Tensor>& position, const std::optional<at::Tensor>& faults) {
  const c10::cuda::CUDAGuard guard(lr.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  const cuda_sgd::Step step{
      {0, static_cast<float>(momentum_factor), static_cast<float>(weight_decay), static_cast<float>(l1)},
      lr.const_data_ptr<float>(),
      static_cast<int32_t>(bits[0]),
      static_cast<int32_t>(bits[1]),
      static_cast<int32_t>(bits[2]),
      nearest,
      swalp,
      static_cast<uint64_t>(seed),
      position ? position->const_data_ptr<int64_t>() : nullptr,
      faults ? faults->data_ptr<int64_t>() : nullptr};
  cuda_sgd::Steps steps(step, stream);
  const BlockFlavour flavour = swalp ? BlockFlavour::kSwalp : BlockFlavour::kQtorch;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& parameter = parameters[i];
    if (parameter.numel() == 0) continue;
    const int64_t count = parameter.numel(), rows = parameter_dim(parameter, flavour) == 0 ? parameter.size(0) : 1;
    steps.add({parameter.mutable_data_ptr<float>(),
               gradients[i].defined() ? gradients[i].const_data_ptr<float>() : nullptr,
               momentum.empty() ? nullptr : momentum[i].mutable_data_ptr<float>(), count, rows, count / rows,
               static_cast<uint32_t>(i), 0, is_gamma[i] != 0});
  }
  steps.flush();
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) { m.impl("sgd_step", &earlybird::sgd_step_cuda); }
