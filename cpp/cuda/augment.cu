// The operators crop_flip and pixels_to_input on CUDA.
#include "cuda/augment.cuh"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

namespace earlybird {
namespace {

at::Tensor crop_flip_cuda(const at::Tensor& images, const at::Tensor& index, int64_t seed, int64_t epoch,
                          int64_t padding, bool flip) {
  const c10::cuda::CUDAGuard guard(images.device());
  const int64_t count = index.numel(), height = images.size(1), width = images.size(2);
  at::Tensor out = at::empty({count, height, width, 3}, images.options());
  cuda_augment::crop_flip(images.const_data_ptr<uint8_t>(), index.const_data_ptr<int64_t>(), out.data_ptr<uint8_t>(),
                          count * height * width, static_cast<int>(height), static_cast<int>(width),
                          static_cast<uint64_t>(seed), static_cast<uint32_t>(epoch), static_cast<int>(padding), flip,
                          c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

at::Tensor pixels_to_input_cuda(const at::Tensor& pixels, const at::Tensor& table) {
  const c10::cuda::CUDAGuard guard(pixels.device());
  at::Tensor out = at::empty(pixels.sizes(), table.options());
  cuda_augment::pixels_to_input(pixels.const_data_ptr<uint8_t>(), table.const_data_ptr<float>(), out.data_ptr<float>(),
                                pixels.numel(), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out.permute({0, 3, 1, 2});  // NCHW view of NHWC memory = channels_last
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) {
  m.impl("crop_flip", &earlybird::crop_flip_cuda);
  m.impl("pixels_to_input", &earlybird::pixels_to_input_cuda);
}
