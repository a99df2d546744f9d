// The operators of fused_norm.h on the CPU. The vectors of channels are computed in plain loops: a step has hundreds of
// layers, and every operator of LibTorch costs microseconds.
#include <ATen/EmptyTensor.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.h"
#include "layer/fused_norm_blocks.h"
#include "layer/fused_norm_rows.h"

namespace earlybird::fused_norm {
namespace {

using Optional = std::optional<at::Tensor>;

/// New memory, without a call through the dispatcher.
at::Tensor vector_of(int64_t width) { return at::detail::empty_cpu({width}, at::kFloat); }
at::Tensor images_of(const at::Tensor& like, int64_t width) {
  return at::detail::empty_cpu({like.size(0), width, like.size(2), like.size(3)}, like.scalar_type(), false,
                               at::MemoryFormat::ChannelsLast);
}

template <class T>
const T* data(const at::Tensor& tensor) {
  return tensor.const_data_ptr<T>();
}
template <class T>
const T* data(const Optional& tensor) {
  return tensor ? tensor->const_data_ptr<T>() : nullptr;
}
const float* floats(const at::Tensor& tensor) { return tensor.const_data_ptr<float>(); }
float* room(const at::Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }

/// Calls work with float{} or BFloat16{}.
template <class Work>
auto by_type(const at::Tensor& images, const Work& work) {
  return images.scalar_type() == at::kBFloat16 ? work(at::BFloat16{}) : work(float{});
}

// --- Vectors of channels ---

/// A BN layer. `channels`: those of its channels that the images have, null for all.
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
  for (int64_t k = 0; k < norm.width; ++k) {
    float &to_mean = norm.running_mean[norm.channel(k)], &to_variance = norm.running_var[norm.channel(k)];
    to_mean += momentum * (mean[k] - to_mean);
    to_variance += momentum * (variance[k] * unbiased - to_variance);
  }
}

// --- Forward ---

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
  Floats near;               // by channel
  std::vector<double> sums;  // those of x - near, then those of its squares
  double pixels;
};

/// `gathered`, if defined, gets the layer's channels of the images, in the pass that sums them.
Moments moments_of(const at::Tensor& images, const Norm& norm, const at::Tensor& gathered) {
  const Rows rows(images, norm.width);
  const int64_t width = norm.width, wide = images.size(1);
  return by_type(images, [&](auto type) {
    using T = decltype(type);
    const T* from = data<T>(images);
    // A selection of the images is one of their channels alone, since the layer is as wide as they are.
    const Norm whole{nullptr, nullptr, gathered.defined() ? norm.channels : nullptr, width, nullptr, nullptr, 0, 0};
    Floats near = shift_of(from, rows.pixels, wide, whole);
    const Floats near_slots = in_slots<T>(near.data(), rows);
    T* taken = gathered.defined() ? gathered.mutable_data_ptr<T>() : nullptr;
    auto sums = sum_rows<T>(rows, [&](int64_t r, int64_t count, float* sum, float* square) {
      if (taken)
        gather_block(from + r * rows.copies * wide, count * rows.copies, width, {wide, norm.channels},
                     taken + r * rows.width);
      add_moments((taken ? taken : from) + r * rows.width, count, rows.width, near_slots.data(), sum, square);
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
    variance[k] = static_cast<float>(std::max(0.0, sums[width + k] / count - offset * offset));
    if (std::isnan(sums[width + k])) variance[k] = mean[k];
  }
  if (pixels > 0) track(norm, mean, variance.data(), pixels);
  fold(norm, mean, variance.data(), room(inverse_std), room(scale), room(shift));
  ++*batches.mutable_data_ptr<int64_t>();
  return {means, inverse_std, scale, shift};
}

/// Two sums a channel and the number of pixels, as one tensor of float64 that ranks can add.
at::Tensor to_share(const std::vector<double>& sums, double pixels) {
  const at::Tensor out = at::detail::empty_cpu({static_cast<int64_t>(sums.size()) + 1}, at::kDouble);
  auto* to = out.mutable_data_ptr<double>();
  *std::copy(sums.begin(), sums.end(), to) = pixels;
  return out;
}

/// The sums, and the number of pixels.
std::pair<std::vector<double>, double> shared_sums(const at::Tensor& shared) {
  const auto* from = shared.const_data_ptr<double>();
  const int64_t count = shared.numel() - 1;
  return {std::vector<double>(from, from + count), from[count]};
}

at::Tensor moments_cpu(const at::Tensor& images) {
  const int64_t width = images.size(1);
  auto [near, sums, pixels] = moments_of(images, {nullptr, nullptr, nullptr, width, nullptr, nullptr, 0, 0}, {});
  // Ranks have other values near. In float64 the sums of x lose no digits that count.
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

// --- Backward ---

/// What a pass over the gradient reads.
template <class T>
struct Inputs {
  const T *x, *gradient;
  int64_t width;
  Gate<T> gate;

  Inputs at(int64_t row) const {
    Inputs out{x + row * width, gradient + row * width, width, gate};
    if (gate.output) out.gate.output += row * width;
    return out;
  }
};

/// The vectors of channels that both passes read, in slots.
template <class T>
struct Vectors {
  Vectors(const Rows& rows, const at::Tensor& means, const at::Tensor& scales, const at::Tensor& shifts)
      : mean(in_slots<T>(floats(means), rows)),
        scale(in_slots<T>(floats(scales), rows)),
        shift(in_slots<T>(floats(shifts), rows)) {}

  Floats mean, scale, shift;
};

/// The sums over the pixels of the gradient, and of its product with x - mean.
template <class T>
std::vector<double> gradient_sums(const Inputs<T>& all, const Rows& rows, const Vectors<T>& vectors) {
  return sum_rows<T>(rows, [&](int64_t r, int64_t count, float* sum, float* product) {
    const Inputs<T> here = all.at(r);
    add_gradients(here.x, here.gradient, count, here.width, here.gate, vectors.mean.data(), sum, product);
  });
}

/// The terms of the last pass that follow from those sums, in slots.
struct Terms {
  Floats slope, offset;
};

template <class T>
Terms terms_of(const std::vector<double>& sums, double pixels, const Rows& rows, const float* scale,
               const float* inverse_std) {
  const int64_t width = rows.channels;
  Terms out{Floats(width), Floats(width)};
  const double each = 1 / std::max(1.0, pixels);
  for (int64_t k = 0; k < width; ++k) {
    const double spread = inverse_std[k];
    out.slope[k] = static_cast<float>(scale[k] * spread * spread * sums[width + k] * each);
    out.offset[k] = static_cast<float>(scale[k] * sums[k] * each);
  }
  out.slope = in_slots<T>(out.slope.data(), rows);
  out.offset = in_slots<T>(out.offset.data(), rows);
  return out;
}

/// The gradients of gamma and beta that follow from them; of a layer of `width` channels, of which the images have
/// `channels`, and the others get zero.
std::pair<at::Tensor, at::Tensor> affine_gradients(const std::vector<double>& sums, const float* inverse_std,
                                                   const int64_t* channels, int64_t width) {
  const at::Tensor gamma = vector_of(width), beta = vector_of(width);
  const size_t of_images = sums.size() / 2;
  if (channels)
    for (const at::Tensor& vector : {gamma, beta}) std::fill(room(vector), room(vector) + width, 0.0f);
  for (size_t k = 0; k < of_images; ++k) {
    const size_t to = channels ? static_cast<size_t>(channels[k]) : k;
    room(gamma)[to] = static_cast<float>(sums[of_images + k] * inverse_std[k]);
    room(beta)[to] = static_cast<float>(sums[k]);
  }
  return {gamma, beta};
}

/// Everything that both passes over the gradient read.
template <class T>
struct Backward {
  Backward(const at::Tensor& images, const at::Tensor& mean, const at::Tensor& scale, const at::Tensor& shift,
           const Optional& output, bool relu, const at::Tensor& gradient)
      : rows(images),
        vectors(rows, mean, scale, shift),
        all{data<T>(images),
            data<T>(gradient),
            rows.width,
            {vectors.scale.data(), vectors.shift.data(), data<T>(output), relu}} {}

  Rows rows;
  Vectors<T> vectors;
  Inputs<T> all;
};

/// The second pass: gradients of images and, if asked for, shortcut.
template <class T>
std::tuple<at::Tensor, at::Tensor> write_all(const Backward<T>& what, const at::Tensor& images, const Terms& terms,
                                             bool has_shortcut, const Optional& beside) {
  const Rows& rows = what.rows;
  const at::Tensor of_images = images_of(images, rows.channels),
                   of_shortcut = has_shortcut ? images_of(images, rows.channels) : at::Tensor();
  const Slopes slopes{what.vectors.mean.data(), terms.slope.data(), terms.offset.data()};
  const T* others = data<T>(beside);
  T *to = of_images.mutable_data_ptr<T>(), *to_shortcut = has_shortcut ? of_shortcut.mutable_data_ptr<T>() : nullptr;
  each_block(rows, [=, all = what.all, width = rows.width](int64_t r, int64_t count) {
    const Inputs<T> here = all.at(r);
    write_gradients(here.x, here.gradient, count, width, here.gate, slopes, others ? others + r * width : nullptr,
                    to + r * width, to_shortcut ? to_shortcut + r * width : nullptr);
  });
  return {of_images, of_shortcut};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> backward_cpu(
    const at::Tensor& images, const at::Tensor& mean, const at::Tensor& inverse_std, const at::Tensor& scale,
    const at::Tensor& shift, const Optional& output, bool relu, bool has_shortcut, const at::Tensor& gradient,
    const Optional& beside) {
  return by_type(images, [&](auto type) {
    using T = decltype(type);
    const Backward<T> what(images, mean, scale, shift, output, relu, gradient);
    const auto sums = gradient_sums(what.all, what.rows, what.vectors);
    const Terms terms =
        terms_of<T>(sums, static_cast<double>(what.rows.pixels), what.rows, floats(scale), floats(inverse_std));
    const auto [of_images, of_shortcut] = write_all(what, images, terms, has_shortcut, beside);
    const auto [gamma, beta] = affine_gradients(sums, floats(inverse_std), nullptr, what.rows.channels);
    return std::tuple(of_images, gamma, beta, of_shortcut);
  });
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> gradient_sums_cpu(const at::Tensor& images, const at::Tensor& mean,
                                                                 const at::Tensor& inverse_std, const at::Tensor& scale,
                                                                 const at::Tensor& shift, const Optional& output,
                                                                 bool relu, const at::Tensor& gradient) {
  return by_type(images, [&](auto type) {
    using T = decltype(type);
    const Backward<T> what(images, mean, scale, shift, output, relu, gradient);
    const auto sums = gradient_sums(what.all, what.rows, what.vectors);
    const auto [gamma, beta] = affine_gradients(sums, floats(inverse_std), nullptr, what.rows.channels);
    return std::tuple(gamma, beta, to_share(sums, static_cast<double>(what.rows.pixels)));
  });
}

std::tuple<at::Tensor, at::Tensor> gradients_cpu(const at::Tensor& images, const at::Tensor& mean,
                                                 const at::Tensor& inverse_std, const at::Tensor& scale,
                                                 const at::Tensor& shift, const Optional& output, bool relu,
                                                 bool has_shortcut, const at::Tensor& gradient, const Optional& beside,
                                                 const at::Tensor& shared) {
  return by_type(images, [&](auto type) {
    using T = decltype(type);
    const Backward<T> what(images, mean, scale, shift, output, relu, gradient);
    const auto [sums, pixels] = shared_sums(shared);
    const Terms terms = terms_of<T>(sums, pixels, what.rows, floats(scale), floats(inverse_std));
    return write_all(what, images, terms, has_shortcut, beside);
  });
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward_selected_cpu(const at::Tensor& images, const at::Tensor& mean,
                                                                     const at::Tensor& inverse_std,
                                                                     const at::Tensor& scale, const at::Tensor& shift,
                                                                     bool relu, const at::Tensor& gradient,
                                                                     const at::Tensor& channels, int64_t wide,
                                                                     const Optional& beside) {
  const at::Tensor of_images = images_of(images, wide);
  const Selection chosen{wide, channels.const_data_ptr<int64_t>()};
  return by_type(images, [&](auto type) {
    using T = decltype(type);
    const Backward<T> what(images, mean, scale, shift, {}, relu, gradient);
    const Rows& rows = what.rows;
    const auto sums = gradient_sums(what.all, rows, what.vectors);
    const Terms terms = terms_of<T>(sums, static_cast<double>(rows.pixels), rows, floats(scale), floats(inverse_std));
    const Slopes slopes{what.vectors.mean.data(), terms.slope.data(), terms.offset.data()};
    const T* others = data<T>(beside);
    T* to = of_images.mutable_data_ptr<T>();
    each_part(rows, [&](int64_t from, int64_t end) {
      Floats space(rows.width + wide);
      const Inputs<T> here = what.all.at(from);
      const int64_t first = from * rows.copies * wide;
      spread_gradients(here.x, here.gradient, end - from, rows.width, rows.copies, here.gate, slopes,
                       others ? others + first : nullptr, chosen, space.data(), to + first);
    });
    const auto [gamma, beta] = affine_gradients(sums, floats(inverse_std), chosen.channels, wide);
    return std::tuple(of_images, gamma, beta);
  });
}

}  // namespace
}  // namespace earlybird::fused_norm

TORCH_LIBRARY_IMPL(earlybird, CPU, m) {
  using namespace earlybird::fused_norm;
  m.impl("norm_fold_batch", &fold_batch_cpu);
  m.impl("norm_fold_selected", &fold_selected_cpu);
  m.impl("norm_fold_running", &fold_running_cpu);
  m.impl("norm_apply", &apply_cpu);
  m.impl("norm_backward", &backward_cpu);
  m.impl("norm_backward_selected", &backward_selected_cpu);
  m.impl("norm_moments", &moments_cpu);
  m.impl("norm_fold_moments", &fold_moments_cpu);
  m.impl("norm_gradient_sums", &gradient_sums_cpu);
  m.impl("norm_gradients", &gradients_cpu);
}
