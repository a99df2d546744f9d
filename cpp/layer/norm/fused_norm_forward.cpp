// The statistics and the result of fused_norm.h on the CPU.
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/error.h"
#include "layer/norm/fused_norm_blocks.h"
#include "layer/norm/fused_norm_memory.h"
#include "layer/norm/fused_norm_rows.h"

namespace earlybird::fused_norm {
namespace {

/// A BN layer. `channels` are the layer's channels that the images have; null for all.
struct Norm {
  const float *gamma, *beta;
  const int64_t* channels;
  int64_t width;
  float *running_mean, *running_var;
  double momentum, eps;

  int64_t channel(int64_t k) const { return channels ? channels[k] : k; }
};

Norm norm_of(const at::Tensor& gamma, const at::Tensor& beta, const Optional& channels, const at::Tensor& mean,
             const at::Tensor& variance, double momentum, double eps) {
  const int64_t width = channels ? channels->numel() : gamma.numel();
  return {floats(gamma), floats(beta), data<int64_t>(channels), width, room(mean), room(variance), momentum, eps};
}

/// The layer as one affine function for each channel.
void fold(const Norm& norm, const float* mean, const float* variance, float* inverse_std, float* scale, float* shift) {
  const auto eps = static_cast<float>(norm.eps);
  for (int64_t k = 0; k < norm.width; ++k) {
    inverse_std[k] = 1 / std::sqrt(variance[k] + eps);
    scale[k] = norm.gamma[norm.channel(k)] * inverse_std[k];
    shift[k] = norm.beta[norm.channel(k)] - mean[k] * scale[k];
  }
}

/// Moves the running statistics towards those of the batch; its variance is made unbiased.
void track(const Norm& norm, const float* mean, const float* variance, double pixels) {
  const auto unbiased = static_cast<float>(pixels / (pixels - 1));
  const auto momentum = static_cast<float>(norm.momentum);
  // The formula of at::lerp: at a momentum of 1 the value of the batch keeps all its digits.
  const auto move = [momentum](float& from, float to) {
    from = momentum < 0.5f ? from + momentum * (to - from) : to - (to - from) * (1 - momentum);
  };
  for (int64_t k = 0; k < norm.width; ++k) {
    move(norm.running_mean[norm.channel(k)], mean[k]);
    move(norm.running_var[norm.channel(k)], variance[k] * unbiased);
  }
}

/// A value near the mean of each channel (the mean of a few pixels), which is subtracted so that squares lose no
/// digits.
template <class T>
Floats shift_of(const T* images, int64_t pixels, int64_t row, const Norm& norm) {
  const int64_t taken = std::min<int64_t>(32, pixels);
  Floats out(norm.width);
  for (int64_t i = 0; i < taken; ++i) {
    const T* from = images + i * pixels / taken * row;
    for (int64_t k = 0; k < norm.width; ++k) out[k] += static_cast<float>(from[norm.channel(k)]);
  }
  for (float& value : out) value /= static_cast<float>(std::max<int64_t>(1, taken));
  return out;
}

/// Sums over the pixels of x - near and of its squares.
struct Moments {
  Floats near;               // one value a channel
  std::vector<double> sums;  // sums of x - near, then of its squares
  double pixels;
};

/// `gathered`, if defined, gets the layer's channels of the images, in the pass that sums them.
Moments moments_of(const at::Tensor& images, const Norm& norm, const at::Tensor& gathered) {
  const Rows rows(images, norm.width);
  const int64_t width = norm.width, wide = images.size(1);
  return by_type(images, [&](auto type) {
    using T = decltype(type);
    const T* from = data<T>(images);
    // Without `gathered` the images have only the layer's channels, so that both count them alike.
    const Norm whole{nullptr, nullptr, gathered.defined() ? norm.channels : nullptr, width, nullptr, nullptr, 0, 0};
    Floats near = shift_of(from, rows.pixels, wide, whole);
    const Floats near_slots = in_slots<T>(near.data(), rows);
    T* taken = gathered.defined() ? gathered.mutable_data_ptr<T>() : nullptr;
    auto sums = sum_rows<T>(rows, [&](int64_t first, int64_t number, float* sum, float* square) {
      blocks_of(rows, first, number, [&](int64_t r, int64_t count) {
        if (taken)
          gather_block(from + r * rows.copies * wide, count * rows.copies, width, {wide, norm.channels},
                       taken + r * rows.width);
        add_moments((taken ? taken : from) + r * rows.width, count, rows.width, near_slots.data(), sum, square);
      });
    });
    return Moments{std::move(near), std::move(sums), static_cast<double>(rows.pixels)};
  });
}

/// Training: mean, inverse_std, scale and shift; moves the running statistics.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> fold_moments(const Norm& norm, const Moments& moments,
                                                                        const at::Tensor& batches) {
  const int64_t width = norm.width;
  const auto& [near, sums, pixels] = moments;
  const at::Tensor means = vector_of(width), inverse_std = vector_of(width), scale = vector_of(width),
                   shift = vector_of(width);
  float* mean = room(means);
  Floats variance(width);
  for (int64_t k = 0; k < width; ++k) {
    const double count = std::max(1.0, pixels), offset = sums[k] / count;
    mean[k] = static_cast<float>(near[k] + offset);
    const double biased = sums[width + k] / count - offset * offset;
    variance[k] = biased < 0 ? 0 : static_cast<float>(biased);  // NaN stays NaN
  }
  if (pixels > 0) track(norm, mean, variance.data(), pixels);
  fold(norm, mean, variance.data(), room(inverse_std), room(scale), room(shift));
  ++*batches.mutable_data_ptr<int64_t>();
  return {means, inverse_std, scale, shift};
}

at::Tensor moments_cpu(const at::Tensor& images) {
  const int64_t width = images.size(1);
  auto [near, sums, pixels] = moments_of(images, {nullptr, nullptr, nullptr, width, nullptr, nullptr, 0, 0}, {});
  // Each rank has its own `near`, so ranks add sums of x itself. In float64 these lose no digits that count.
  for (int64_t k = 0; k < width; ++k) {
    const double shift = near[k], sum = sums[k];
    sums[k] = sum + pixels * shift;
    sums[width + k] += 2 * shift * sum + pixels * shift * shift;
  }
  return to_share(sums, pixels);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> fold_moments_cpu(
    const at::Tensor& moments, const at::Tensor& gamma, const at::Tensor& beta, const Optional& channels,
    at::Tensor running_mean, at::Tensor running_var, at::Tensor batches, double momentum, double eps) {
  const Norm norm = norm_of(gamma, beta, channels, running_mean, running_var, momentum, eps);
  auto [sums, pixels] = shared_sums(moments);
  if (pixels < 2)
    throw Error("ERR_SHAPE", "BatchNorm cannot train on one value a channel: use larger batches or images.");
  return fold_moments(norm, {Floats(norm.width), std::move(sums), pixels}, batches);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> fold_batch_cpu(
    const at::Tensor& images, const at::Tensor& gamma, const at::Tensor& beta, const Optional& channels,
    at::Tensor running_mean, at::Tensor running_var, at::Tensor batches, double momentum, double eps) {
  const Norm norm = norm_of(gamma, beta, channels, running_mean, running_var, momentum, eps);
  return fold_moments(norm, moments_of(images, norm, {}), batches);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> fold_selected_cpu(
    const at::Tensor& images, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& channels,
    at::Tensor running_mean, at::Tensor running_var, at::Tensor batches, double momentum, double eps) {
  const Norm norm = norm_of(gamma, beta, channels, running_mean, running_var, momentum, eps);
  const at::Tensor gathered = images_of(images, norm.width);
  return std::tuple_cat(std::tuple(gathered), fold_moments(norm, moments_of(images, norm, gathered), batches));
}

std::tuple<at::Tensor, at::Tensor> fold_running_cpu(const at::Tensor& gamma, const at::Tensor& beta,
                                                    const Optional& channels, const at::Tensor& running_mean,
                                                    const at::Tensor& running_var, double eps) {
  const Norm norm = norm_of(gamma, beta, channels, running_mean, running_var, 0, eps);
  Floats mean(norm.width), variance(norm.width), inverse_std(norm.width);
  for (int64_t k = 0; k < norm.width; ++k) {
    mean[k] = norm.running_mean[norm.channel(k)];
    variance[k] = norm.running_var[norm.channel(k)];
  }
  const at::Tensor scale = vector_of(norm.width), shift = vector_of(norm.width);
  fold(norm, mean.data(), variance.data(), inverse_std.data(), room(scale), room(shift));
  return {scale, shift};
}

at::Tensor apply_cpu(const at::Tensor& images, const at::Tensor& scale, const at::Tensor& shift,
                     const Optional& shortcut, bool relu) {
  const Rows rows(images);
  const at::Tensor out = images_of(images, rows.channels);
  by_type(images, [&](auto type) {
    using T = decltype(type);
    const T *from = data<T>(images), *added = data<T>(shortcut);
    T* to = out.mutable_data_ptr<T>();
    const Floats scales = in_slots<T>(floats(scale), rows), shifts = in_slots<T>(floats(shift), rows);
    const Surroundings<T> around{scales.data(), shifts.data(), nullptr, relu};
    each_block(rows, [=, width = rows.width](int64_t r, int64_t count) {
      Surroundings<T> here = around;
      if (added) here.shortcut = added + r * width;
      normalise_block(from + r * width, count, width, here, to + r * width);
    });
  });
  return out;
}

}  // namespace
}  // namespace earlybird::fused_norm

TORCH_LIBRARY_IMPL(earlybird, CPU, m) {
  using namespace earlybird::fused_norm;
  m.impl("norm_fold_batch", &fold_batch_cpu);
  m.impl("norm_fold_selected", &fold_selected_cpu);
  m.impl("norm_fold_running", &fold_running_cpu);
  m.impl("norm_apply", &apply_cpu);
  m.impl("norm_moments", &moments_cpu);
  m.impl("norm_fold_moments", &fold_moments_cpu);
}
