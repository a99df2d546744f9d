// BatchNorm fused with shortcut and ReLU: the statistics with the vectors that follow from them in one launch, the
// result in a second. Computes in float32, like layer/norm/fused_norm.h.
#pragma once

#include "cuda/channel_sums.cuh"

namespace earlybird::cuda_norm {

/// A BN layer with vectors over its channels. `index`, unless null, has the layer's channel for each of the images'.
struct Layer {
  const float *gamma, *beta;
  const int64_t* index;
  float *running_mean, *running_var;
  int64_t* batches;  // num_batches_tracked
  double momentum, eps;
};

/// Vectors over the images' channels.
struct Folded {
  float *mean, *inverse_std, *scale, *shift;
};

/// The formula of at::lerp.
__device__ inline float lerp(float from, float to, float weight) {
  return weight < 0.5f ? from + weight * (to - from) : to - (to - from) * (1 - weight);
}

__device__ inline void fold(const Folded& out, int channel, float mean, float inverse_std, float gamma, float beta) {
  const float scale = gamma * inverse_std;
  out.mean[channel] = mean;
  out.inverse_std[channel] = inverse_std;
  out.scale[channel] = scale;
  out.shift[channel] = beta - mean * scale;
}

/// A value near the mean of a channel (the mean of up to four pixels), which is subtracted so that squares lose no
/// digits.
template <class T>
__device__ float near_mean(const T* images, const Lines& lines, int channel) {
  const int taken = static_cast<int>(min(int64_t{4}, lines.pixels));
  float sum = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (i < taken) sum += to_float(images[i * lines.pixels / taken * lines.channels + channel]);
  return sum / static_cast<float>(taken);
}

/// Calls finish(channel, value near the mean, sum of x - near, sum of its squares) for each channel.
template <class T, class Finish>
__device__ void sum_images(const T* images, const Lines& lines, const Reduction& reduction, const Finish& finish) {
  const Place<T> place(lines);
  float near[kWide<T>] = {}, sums[2][kWide<T>] = {};
  if (place.works)
#pragma unroll
    for (int j = 0; j < kWide<T>; ++j) near[j] = near_mean(images, lines, place.position(j) % lines.channels);
  each_line<4>(
      lines, place,
      [&](auto whole, int64_t element, int64_t) { return read<whole.value>(images, element, lines.elements); },
      [&](auto whole, int64_t element, const Wide<T>& x) {
#pragma unroll
        for (int j = 0; j < kWide<T>; ++j) {
          if (!whole.value && element + j >= lines.elements) break;
          const float off = to_float(x.value[j]) - near[j];
          sums[0][j] += off;
          sums[1][j] += off * off;
        }
      });
  sum_channels<T>(lines, place, reduction, sums, [&](int channel, double sum, double squares) {
    finish(channel, near_mean(images, lines, channel), sum, squares);
  });
}

/// Training: the vectors of a channel from its mean and its biased variance over `count` pixels.
__device__ inline void fold_statistics(const Layer& layer, const Folded& out, int channel, float mean, double biased,
                                       double count) {
  // NaN stays NaN.
  const float variance = biased < 0 ? 0 : static_cast<float>(biased);
  const int64_t of_layer = layer.index ? layer.index[channel] : channel;
  const float inverse_std = static_cast<float>(1 / sqrt(static_cast<double>(variance) + layer.eps));
  fold(out, channel, mean, inverse_std, layer.gamma[of_layer], layer.beta[of_layer]);
  const float weight = static_cast<float>(layer.momentum);
  float &running_mean = layer.running_mean[of_layer], &running_var = layer.running_var[of_layer];
  running_mean = lerp(running_mean, mean, weight);
  // One value a channel is refused before the launch; the statistics stay finite in any case.
  const double unbiased = count > 1 ? count / (count - 1) : 1;
  running_var = lerp(running_var, static_cast<float>(variance * unbiased), weight);
  if (channel == 0) *layer.batches += 1;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    statistics_kernel(const T* images, Lines lines, Layer layer, Folded out, Reduction reduction) {
  sum_images(images, lines, reduction, [&](int channel, float near, double sum, double squares) {
    const double count = static_cast<double>(lines.pixels), offset = sum / count;
    fold_statistics(layer, out, channel, static_cast<float>(near + offset), squares / count - offset * offset, count);
  });
}

/// Writes the numbers that ranks add: the sums of x, then those of its squares, then the number of pixels. In float64
/// they lose no digits that count.
template <class T>
__global__ void __launch_bounds__(kThreads)
    moments_kernel(const T* images, Lines lines, double* moments, Reduction reduction) {
  sum_images(images, lines, reduction, [&](int channel, float near, double sum, double squares) {
    const double count = static_cast<double>(lines.pixels), shift = near;
    moments[channel] = sum + count * shift;
    moments[lines.channels + channel] = squares + 2 * shift * sum + count * shift * shift;
    if (channel == 0) moments[2 * lines.channels] = count;
  });
}

/// Folds in training from the sums of all ranks: one thread for each channel.
static __global__ void fold_moments_kernel(const double* moments, Layer layer, int channels, Folded out) {
  const int channel = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (channel >= channels) return;
  const double count = moments[2 * channels], mean = moments[channel] / count;
  fold_statistics(layer, out, channel, static_cast<float>(mean), moments[channels + channel] / count - mean * mean,
                  count);
}

/// Folds in evaluation: one thread for each channel.
static __global__ void fold_kernel(Layer layer, int channels, Folded out) {
  const int channel = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (channel >= channels) return;
  const int64_t of_layer = layer.index ? layer.index[channel] : channel;
  const double variance = layer.running_var[of_layer];
  fold(out, channel, layer.running_mean[of_layer], static_cast<float>(1 / sqrt(variance + layer.eps)),
       layer.gamma[of_layer], layer.beta[of_layer]);
}

template <class T>
struct Pair {
  Wide<T> first, second;
};

/// ReLU keeps NaN, like LibTorch.
template <class T, bool kShortcut>
__global__ void __launch_bounds__(kThreads) apply_kernel(const T* images, const float* scale, const float* shift,
                                                         const T* shortcut, bool relu, T* out, Lines lines) {
  const Place<T> place(lines);
  float scales[kWide<T>] = {}, shifts[kWide<T>] = {};
  if (place.works)
#pragma unroll
    for (int j = 0; j < kWide<T>; ++j) {
      const int channel = place.position(j) % lines.channels;
      scales[j] = scale[channel];
      shifts[j] = shift[channel];
    }
  each_line<kShortcut ? 2 : 4>(
      lines, place,
      [&](auto whole, int64_t element, int64_t) {
        Pair<T> loaded;
        loaded.first = read<whole.value>(images, element, lines.elements);
        if constexpr (kShortcut) loaded.second = read<whole.value>(shortcut, element, lines.elements);
        return loaded;
      },
      [&](auto whole, int64_t element, const Pair<T>& loaded) {
        Wide<T> result;
#pragma unroll
        for (int j = 0; j < kWide<T>; ++j) {
          float value = to_float(loaded.first.value[j]) * scales[j] + shifts[j];
          if constexpr (kShortcut) value += to_float(loaded.second.value[j]);
          result.value[j] = rounded<T>(relu && value < 0 ? 0.0f : value);
        }
        write<whole.value>(out, element, lines.elements, result);
      });
}

template <class T>
void statistics(const T* images, const Lines& lines, const Layer& layer, const Folded& out, const Reduction& reduction,
                cudaStream_t stream) {
  launch(statistics_kernel<T>, reducing_blocks(lines), kThreads, reducing_bytes<T>(), stream, images, lines, layer, out,
         reduction);
}

template <class T>
void moments(const T* images, const Lines& lines, double* out, const Reduction& reduction, cudaStream_t stream) {
  launch(moments_kernel<T>, reducing_blocks(lines), kThreads, reducing_bytes<T>(), stream, images, lines, out,
         reduction);
}

inline void fold_moments(const double* moments, const Layer& layer, int channels, const Folded& out,
                         cudaStream_t stream) {
  launch(fold_moments_kernel, blocks_of_channels(channels), kThreads, 0, stream, moments, layer, channels, out);
}

inline void fold(const Layer& layer, int channels, const Folded& out, cudaStream_t stream) {
  launch(fold_kernel, blocks_of_channels(channels), kThreads, 0, stream, layer, channels, out);
}

/// `shortcut` may be null.
template <class T>
void apply(const T* images, const float* scale, const float* shift, const T* shortcut, bool relu, T* out,
           const Lines& lines, cudaStream_t stream) {
  launch(shortcut ? apply_kernel<T, true> : apply_kernel<T, false>, blocks_for(lines, kWritingBlocks), kThreads, 0,
         stream, images, scale, shift, shortcut, relu, out, lines);
}

}  // namespace earlybird::cuda_norm
