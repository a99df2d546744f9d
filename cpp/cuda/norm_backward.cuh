// The gradients of norm_forward.cuh in two launches: sums over the pixels with the vectors that follow from them, then
// the gradients of images and shortcut.
#pragma once

#include "cuda/channel_sums.cuh"

namespace earlybird::cuda_norm {

/// Input and output of the layer. `output` is null unless there was a shortcut with ReLU: then the sign of the output
/// is computed again.
template <class T>
struct Backward {
  const T *images, *gradient, *output;
  const float *mean, *inverse_std, *scale, *shift;
  bool relu;
};

/// Vectors that follow from the sums, for the second launch: the gradient of the images is
/// scale * gradient - ((image - mean) * slope + offset).
struct Slopes {
  float *slope, *offset;
};

template <class T>
struct Loaded {
  Wide<T> images, gradient, output, beside;
};

template <bool kWhole, bool kOutput, class T>
__device__ Loaded<T> load(const Backward<T>& what, int64_t element, int64_t end) {
  Loaded<T> out;
  out.images = read<kWhole>(what.images, element, end);
  out.gradient = read<kWhole>(what.gradient, element, end);
  if constexpr (kOutput) out.output = read<kWhole>(what.output, element, end);
  return out;
}

/// The gradient that passes the ReLU.
template <bool kOutput, class T>
__device__ float passed(const Backward<T>& what, const Loaded<T>& loaded, int j, float scale, float shift) {
  const float gradient = to_float(loaded.gradient.value[j]);
  if (!what.relu) return gradient;
  const float output = kOutput ? to_float(loaded.output.value[j]) : to_float(loaded.images.value[j]) * scale + shift;
  return output <= 0 ? 0.0f : gradient;
}

/// Reads a thread's part of a vector of channels.
template <class T>
__device__ void take(const float* from, const Lines& lines, const Place<T>& place, float (&to)[kWide<T>]) {
#pragma unroll
  for (int j = 0; j < kWide<T>; ++j) to[j] = place.works ? from[place.position(j) % lines.channels] : 0;
}

/// The destination of the sums: `slopes` at once, or, where ranks add theirs first, `shared` with the number of pixels.
struct Sums {
  Slopes slopes;
  double* shared;  // or null
};

__device__ inline void set_slopes(const Slopes& slopes, int channel, float scale, double spread, double sum,
                                  double products, double each) {
  slopes.slope[channel] = static_cast<float>(scale * spread * spread * products * each);
  slopes.offset[channel] = static_cast<float>(scale * sum * each);
}

template <class T, bool kOutput>
__global__ void __launch_bounds__(kThreads)
    gradient_sums_kernel(Backward<T> what, Lines lines, Sums to, float* gamma, float* beta, Reduction reduction) {
  const Place<T> place(lines);
  float mean[kWide<T>], scale[kWide<T>], shift[kWide<T>], sums[2][kWide<T>] = {};
  take(what.mean, lines, place, mean);
  take(what.scale, lines, place, scale);
  take(what.shift, lines, place, shift);
  each_line<2>(
      lines, place,
      [&](auto whole, int64_t element, int64_t) { return load<whole.value, kOutput>(what, element, lines.elements); },
      [&](auto whole, int64_t element, const Loaded<T>& loaded) {
#pragma unroll
        for (int j = 0; j < kWide<T>; ++j) {
          if (!whole.value && element + j >= lines.elements) break;
          const float gradient = passed<kOutput>(what, loaded, j, scale[j], shift[j]);
          sums[0][j] += gradient;
          sums[1][j] += gradient * (to_float(loaded.images.value[j]) - mean[j]);
        }
      });
  sum_channels<T>(lines, place, reduction, sums, [&](int channel, double sum, double products) {
    const double pixels = static_cast<double>(lines.pixels), spread = what.inverse_std[channel];
    beta[channel] = static_cast<float>(sum);
    gamma[channel] = static_cast<float>(products * spread);
    if (!to.shared) return set_slopes(to.slopes, channel, what.scale[channel], spread, sum, products, 1.0 / pixels);
    to.shared[channel] = sum;
    to.shared[lines.channels + channel] = products;
    if (channel == 0) to.shared[2 * lines.channels] = pixels;
  });
}

/// Computes the slopes from the sums of all ranks: one thread for each channel.
static __global__ void slopes_kernel(const double* sums, const float* scale, const float* inverse_std, int channels,
                                     Slopes slopes) {
  const int channel = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (channel >= channels) return;
  set_slopes(slopes, channel, scale[channel], inverse_std[channel], sums[channel], sums[channels + channel],
             1.0 / sums[2 * channels]);
}

/// `beside` and `shortcut` may be null.
template <class T, bool kOutput, bool kBeside>
__global__ void __launch_bounds__(kThreads)
    gradients_kernel(Backward<T> what, Lines lines, Slopes slopes, const T* beside, T* images, T* shortcut) {
  const Place<T> place(lines);
  float mean[kWide<T>], scale[kWide<T>], shift[kWide<T>], slope[kWide<T>], offset[kWide<T>];
  take(what.mean, lines, place, mean);
  take(what.scale, lines, place, scale);
  take(what.shift, lines, place, shift);
  take(slopes.slope, lines, place, slope);
  take(slopes.offset, lines, place, offset);
  each_line<2>(
      lines, place,
      [&](auto whole, int64_t element, int64_t) {
        Loaded<T> loaded = load<whole.value, kOutput>(what, element, lines.elements);
        if constexpr (kBeside) loaded.beside = read<whole.value>(beside, element, lines.elements);
        return loaded;
      },
      [&](auto whole, int64_t element, const Loaded<T>& loaded) {
        Wide<T> of_images, of_shortcut;
#pragma unroll
        for (int j = 0; j < kWide<T>; ++j) {
          const float gradient = passed<kOutput>(what, loaded, j, scale[j], shift[j]);
          float value = scale[j] * gradient - ((to_float(loaded.images.value[j]) - mean[j]) * slope[j] + offset[j]);
          if constexpr (kBeside) value += to_float(loaded.beside.value[j]);
          of_images.value[j] = rounded<T>(value);
          of_shortcut.value[j] = rounded<T>(gradient);
        }
        write<whole.value>(images, element, lines.elements, of_images);
        if (shortcut) write<whole.value>(shortcut, element, lines.elements, of_shortcut);
      });
}

template <class T>
void gradient_sums(const Backward<T>& what, const Lines& lines, const Sums& to, float* gamma, float* beta,
                   const Reduction& reduction, cudaStream_t stream) {
  launch(what.output ? gradient_sums_kernel<T, true> : gradient_sums_kernel<T, false>, reducing_blocks(lines), kThreads,
         reducing_bytes<T>(), stream, what, lines, to, gamma, beta, reduction);
}

inline void slopes_of(const double* sums, const float* scale, const float* inverse_std, int channels,
                      const Slopes& slopes, cudaStream_t stream) {
  launch(slopes_kernel, blocks_of_channels(channels), kThreads, 0, stream, sums, scale, inverse_std, channels, slopes);
}

template <class T>
void gradients(const Backward<T>& what, const Lines& lines, const Slopes& slopes, const T* beside, T* images,
               T* shortcut, cudaStream_t stream) {
  const auto kernel = what.output ? (beside ? gradients_kernel<T, true, true> : gradients_kernel<T, true, false>)
                                  : (beside ? gradients_kernel<T, false, true> : gradients_kernel<T, false, false>);
  launch(kernel, blocks_for(lines, kWritingBlocks), kThreads, 0, stream, what, lines, slopes, beside, images, shortcut);
}

}  // namespace earlybird::cuda_norm
