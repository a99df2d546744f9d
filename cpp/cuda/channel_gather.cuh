// The kernels of layer/channel_gather.h, forward and backward.
#pragma once

#include "cuda/pixel_lines.cuh"

namespace earlybird::cuda_norm {

/// `lines` divide the output.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const T* images, int width, const int64_t* channels, T* out, Lines lines) {
  const Place<T> place(lines);
  int source[kWide<T>] = {};
  if (place.works)
#pragma unroll
    for (int j = 0; j < kWide<T>; ++j) {
      const int pixel = place.position(j) / lines.channels, kept = place.position(j) % lines.channels;
      source[j] = pixel * width + static_cast<int>(channels[kept]);
    }
  each_line<2>(
      lines, place,
      [&](auto whole, int64_t element, int64_t line) {
        const T* from = images + line * lines.pixels_a_line * width;
        Wide<T> values;
#pragma unroll
        for (int j = 0; j < kWide<T>; ++j)
          values.value[j] = whole.value || element + j < lines.elements ? from[source[j]] : T{0};
        return values;
      },
      [&](auto whole, int64_t element, const Wide<T>& values) {
        write<whole.value>(out, element, lines.elements, values);
      });
}

/// `lines` divide the output; it gets the `kept` channels of a gradient. `beside` may be null.
template <class T>
__global__ void __launch_bounds__(kThreads)
    scatter_kernel(const T* gradient, int kept, const int64_t* channels, const T* beside, T* out, Lines lines) {
  int* number = dynamic_shared<int>();  // index of each channel among those kept, or -1
  for (int c = static_cast<int>(threadIdx.x); c < lines.channels; c += kThreads) number[c] = -1;
  __syncthreads();
  for (int k = static_cast<int>(threadIdx.x); k < kept; k += kThreads) number[channels[k]] = k;
  __syncthreads();
  const Place<T> place(lines);
  int source[kWide<T>] = {};
  if (place.works)
#pragma unroll
    for (int j = 0; j < kWide<T>; ++j) {
      const int pixel = place.position(j) / lines.channels, found = number[place.position(j) % lines.channels];
      source[j] = found < 0 ? -1 : pixel * kept + found;
    }
  each_line<2>(
      lines, place,
      [&](auto whole, int64_t element, int64_t line) {
        const T* from = gradient + line * lines.pixels_a_line * kept;
        Wide<T> values{};
        if (beside) values = read<whole.value>(beside, element, lines.elements);
#pragma unroll
        for (int j = 0; j < kWide<T>; ++j)
          if (source[j] >= 0 && (whole.value || element + j < lines.elements))
            values.value[j] = rounded<T>(to_float(values.value[j]) + to_float(from[source[j]]));
        return values;
      },
      [&](auto whole, int64_t element, const Wide<T>& values) {
        write<whole.value>(out, element, lines.elements, values);
      });
}

/// The most channels for which scatter() has space in a block's shared memory.
inline constexpr int kMostChannels = (48 << 10) / sizeof(int);

template <class T>
void gather(const T* images, int width, const int64_t* channels, T* out, const Lines& lines, cudaStream_t stream) {
  launch(gather_kernel<T>, blocks_for(lines, kWritingBlocks), kThreads, 0, stream, images, width, channels, out, lines);
}

template <class T>
void scatter(const T* gradient, int kept, const int64_t* channels, const T* beside, T* out, const Lines& lines,
             cudaStream_t stream) {
  launch(scatter_kernel<T>, blocks_for(lines, kWritingBlocks), kThreads, lines.channels * sizeof(int), stream, gradient,
         kept, channels, beside, out, lines);
}

}  // namespace earlybird::cuda_norm
