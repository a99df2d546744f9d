// The gradients of fused_norm.h on the CPU.
#include <torch/library.h>

#include <algorithm>
#include <tuple>

#include "layer/norm/fused_norm_blocks.h"
#include "layer/norm/fused_norm_memory.h"
#include "layer/norm/fused_norm_rows.h"

namespace earlybird::fused_norm {
namespace {

/// The memory that a pass over the gradient reads.
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

/// The gradients of gamma and beta that follow from the sums. The layer has `width` channels, the images have
/// `channels` of them, and the others get zero.
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
  m.impl("norm_backward", &backward_cpu);
  m.impl("norm_backward_selected", &backward_selected_cpu);
  m.impl("norm_gradient_sums", &gradient_sums_cpu);
  m.impl("norm_gradients", &gradients_cpu);
}
