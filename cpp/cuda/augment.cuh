// Kernels of the augmentation operators: the same draws, table and bits as the CPU's in data/resident/augment.cpp.
#pragma once

#include "cuda/device.cuh"
#include "data/resident/augment.h"

namespace earlybird::cuda_augment {

inline constexpr int kThreads = 256;

inline unsigned blocks_for(int64_t work) { return static_cast<unsigned>((work + kThreads - 1) / kThreads); }

/// The arguments of a crop: the next `size` images of an order.
struct Images {
  const uint8_t* pixels;
  const int64_t* order;
  const int64_t* place;
  int64_t size;
  int height, width, padding;
  bool flip;
};

/// The source of a pixel of the output; null outside the image.
__device__ inline const uint8_t* source_of(const Images& images, int64_t pixel) {
  const int64_t area = static_cast<int64_t>(images.height) * images.width, image = pixel / area;
  const int inside = static_cast<int>(pixel - image * area);
  const int y = inside / images.width, x = inside - y * images.width;
  const int64_t picked = images.order[images.place[kNext] + image];
  const Augmentation draw = draw_augmentation(images.place, picked, images.padding, images.flip);
  const int from_y = y + draw.top - images.padding;
  const int from_x = (draw.flip ? images.width - 1 - x : x) + draw.left - images.padding;
  if (from_y < 0 || from_y >= images.height || from_x < 0 || from_x >= images.width) return nullptr;
  return images.pixels + ((picked * images.height + from_y) * images.width + from_x) * 3;
}

/// One thread a pixel (three values): `store` turns a byte of a channel into a value.
template <class T, class Store>
__device__ inline void crop_flip_pixel(const Images& images, T* out, const Store& store) {
  const int64_t pixel = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (pixel >= images.size * images.height * images.width) return;
  const uint8_t* from = source_of(images, pixel);
  for (int c = 0; c < 3; ++c) out[pixel * 3 + c] = store(c, from ? from[c] : 0);
}

static __global__ void crop_flip_kernel(Images images, uint8_t* out) {
  crop_flip_pixel(images, out, [](int, int value) { return static_cast<uint8_t>(value); });
}

static __global__ void crop_flip_to_float_kernel(Images images, const float* table, float* out) {
  crop_flip_pixel(images, out, [=](int c, int value) { return table[c * 256 + value]; });
}

/// `out` holds bits of bfloat16.
static __global__ void crop_flip_to_bf16_kernel(Images images, const float* table, uint16_t* out) {
  crop_flip_pixel(images, out, [=](int c, int value) { return bfloat16_bits(table[c * 256 + value]); });
}

static __global__ void pixels_to_input_kernel(const uint8_t* pixels, const float* table, float* out, int64_t values) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < values) out[i] = table[(i % 3) * 256 + pixels[i]];
}

/// Runs in one thread block, so that the place advances after all labels were read.
static __global__ void next_labels_kernel(const int64_t* labels, const int64_t* order, int64_t* place, int64_t size,
                                          int64_t* out) {
  const int64_t* picked = order + place[kNext];
  for (int64_t i = threadIdx.x; i < size; i += kThreads) out[i] = labels[picked[i]];
  __syncthreads();
  if (threadIdx.x == 0) place[kNext] += size;
}

template <class... Output>
void crop_flip(void (*kernel)(Images, Output...), const Images& images, cudaStream_t stream, const Output&... output) {
  const int64_t pixels = images.size * images.height * images.width;
  if (pixels > 0) launch(kernel, blocks_for(pixels), kThreads, 0, stream, images, output...);
}

inline void pixels_to_input(const uint8_t* pixels, const float* table, float* out, int64_t values,
                            cudaStream_t stream) {
  if (values > 0) launch(pixels_to_input_kernel, blocks_for(values), kThreads, 0, stream, pixels, table, out, values);
}

inline void next_labels(const int64_t* labels, const int64_t* order, int64_t* place, int64_t size, int64_t* out,
                        cudaStream_t stream) {
  launch(next_labels_kernel, 1, kThreads, 0, stream, labels, order, place, size, out);
}

}  // namespace earlybird::cuda_augment
