// CUDA kernels of crop_flip and pixels_to_input: the same draws and the same table as the CPU kernels in
// data/augment.cpp, so the same bits.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include "data/augment.h"

namespace earlybird {
namespace {

constexpr int kThreads = 256;

unsigned blocks_for(int64_t work) { return static_cast<unsigned>((work + kThreads - 1) / kThreads); }

/// One thread a pixel (three bytes).
__global__ void crop_flip_kernel(const uint8_t* images, const int64_t* index, uint8_t* out, int64_t pixels, int height,
                                 int width, uint64_t seed, uint32_t epoch, int padding, bool flip) {
  const int64_t pixel = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (pixel >= pixels) return;
  const int64_t image = pixel / (height * width);
  const int inside = static_cast<int>(pixel - image * height * width);
  const int y = inside / width, x = inside - y * width;
  const int64_t picked = index[image];
  const Augmentation draw = draw_augmentation(seed, epoch, static_cast<uint64_t>(picked), padding, flip);
  const int from_y = y + draw.top - padding;
  const int from_x = (draw.flip ? width - 1 - x : x) + draw.left - padding;
  const bool is_inside = from_y >= 0 && from_y < height && from_x >= 0 && from_x < width;
  const uint8_t* from = images + ((picked * height + from_y) * width + from_x) * 3;
  for (int c = 0; c < 3; ++c) out[pixel * 3 + c] = is_inside ? from[c] : 0;
}

__global__ void pixels_to_input_kernel(const uint8_t* pixels, const float* table, float* out, int64_t values) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < values) out[i] = table[(i % 3) * 256 + pixels[i]];
}

at::Tensor crop_flip_cuda(const at::Tensor& images, const at::Tensor& index, int64_t seed, int64_t epoch,
                          int64_t padding, bool flip) {
  const c10::cuda::CUDAGuard guard(images.device());
  const int64_t count = index.numel(), height = images.size(1), width = images.size(2);
  at::Tensor out = at::empty({count, height, width, 3}, images.options());
  const int64_t pixels = count * height * width;
  if (pixels == 0) return out;
  crop_flip_kernel<<<blocks_for(pixels), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
      images.const_data_ptr<uint8_t>(), index.const_data_ptr<int64_t>(), out.data_ptr<uint8_t>(), pixels,
      static_cast<int>(height), static_cast<int>(width), static_cast<uint64_t>(seed), static_cast<uint32_t>(epoch),
      static_cast<int>(padding), flip);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

at::Tensor pixels_to_input_cuda(const at::Tensor& pixels, const at::Tensor& table) {
  const c10::cuda::CUDAGuard guard(pixels.device());
  at::Tensor out = at::empty(pixels.sizes(), table.options());
  const int64_t values = pixels.numel();
  if (values > 0) {
    pixels_to_input_kernel<<<blocks_for(values), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        pixels.const_data_ptr<uint8_t>(), table.const_data_ptr<float>(), out.data_ptr<float>(), values);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return out.permute({0, 3, 1, 2});  // NCHW view of NHWC memory = channels_last
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) {
  m.impl("crop_flip", &earlybird::crop_flip_cuda);
  m.impl("pixels_to_input", &earlybird::pixels_to_input_cuda);
}
