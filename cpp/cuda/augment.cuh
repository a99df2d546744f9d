// Kernels of crop_flip and pixels_to_input: the same draws and the same table as the CPU's in data/augment.cpp, so the
// same bits.
#pragma once

#include "cuda/device.cuh"
#include "data/augment.h"

namespace earlybird::cuda_augment {

inline constexpr int kThreads = 256;

inline unsigned blocks_for(int64_t work) { return static_cast<unsigned>((work + kThreads - 1) / kThreads); }

/// One thread a pixel (three bytes).
static __global__ void crop_flip_kernel(const uint8_t* images, const int64_t* index, uint8_t* out, int64_t pixels,
                                        int height, int width, uint64_t seed, uint32_t epoch, int padding, bool flip) {
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

static __global__ void pixels_to_input_kernel(const uint8_t* pixels, const float* table, float* out, int64_t values) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < values) out[i] = table[(i % 3) * 256 + pixels[i]];
}

/// `pixels`: of the whole output.
inline void crop_flip(const uint8_t* images, const int64_t* index, uint8_t* out, int64_t pixels, int height, int width,
                      uint64_t seed, uint32_t epoch, int padding, bool flip, cudaStream_t stream) {
  if (pixels > 0)
    launch(crop_flip_kernel, blocks_for(pixels), kThreads, 0, stream, images, index, out, pixels, height, width, seed,
           epoch, padding, flip);
}

inline void pixels_to_input(const uint8_t* pixels, const float* table, float* out, int64_t values,
                            cudaStream_t stream) {
  if (values > 0) launch(pixels_to_input_kernel, blocks_for(values), kThreads, 0, stream, pixels, table, out, values);
}

}  // namespace earlybird::cuda_augment
