// The augmentation operators on CUDA.
#include "cuda/augment.cuh"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

namespace earlybird {
namespace {

using cuda_augment::Images;

Images images_of(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place, int64_t size,
                 int64_t padding, bool flip) {
  return {images.const_data_ptr<uint8_t>(), order.const_data_ptr<int64_t>(),  place.const_data_ptr<int64_t>(), size,
          static_cast<int>(images.size(1)), static_cast<int>(images.size(2)), static_cast<int>(padding),       flip};
}

at::Tensor crop_flip_cuda(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place, int64_t size,
                          int64_t padding, bool flip) {
  const c10::cuda::CUDAGuard guard(images.device());
  at::Tensor out = at::empty({size, images.size(1), images.size(2), 3}, images.options());
  cuda_augment::crop_flip(cuda_augment::crop_flip_kernel, images_of(images, order, place, size, padding, flip),
                          c10::cuda::getCurrentCUDAStream(), out.data_ptr<uint8_t>());
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

at::Tensor crop_flip_to_input_cuda(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place,
                                   const at::Tensor& table, int64_t size, int64_t padding, bool flip, bool bf16) {
  const c10::cuda::CUDAGuard guard(images.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  at::Tensor out =
      at::empty({size, images.size(1), images.size(2), 3}, table.options().dtype(bf16 ? at::kBFloat16 : at::kFloat));
  const Images from = images_of(images, order, place, size, padding, flip);
  const float* look_up = table.const_data_ptr<float>();
  if (bf16)
    cuda_augment::crop_flip(cuda_augment::crop_flip_to_bf16_kernel, from, stream, look_up,
                            static_cast<uint16_t*>(out.mutable_data_ptr()));
  else
    cuda_augment::crop_flip(cuda_augment::crop_flip_to_float_kernel, from, stream, look_up, out.data_ptr<float>());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out.permute({0, 3, 1, 2});
}

at::Tensor next_labels_cuda(const at::Tensor& labels, const at::Tensor& order, at::Tensor& place, int64_t size) {
  const c10::cuda::CUDAGuard guard(labels.device());
  at::Tensor out = at::empty({size}, labels.options());
  cuda_augment::next_labels(labels.const_data_ptr<int64_t>(), order.const_data_ptr<int64_t>(),
                            place.data_ptr<int64_t>(), size, out.data_ptr<int64_t>(),
                            c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) {
  m.impl("crop_flip", &earlybird::crop_flip_cuda);
  m.impl("pixels_to_input", &earlybird::pixels_to_input_cuda);
  m.impl("crop_flip_to_input", &earlybird::crop_flip_to_input_cuda);
  m.impl("next_labels", &earlybird::next_labels_cuda);
}
