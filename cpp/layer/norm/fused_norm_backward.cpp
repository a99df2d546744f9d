// The gradients of fused_norm.h on the CPU.
#include <torch/library.h>

#include <algorithm>
#include <tuple>

#include "layer/norm/fused_norm.h"
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

/// Everything that both passes over the gradient read.
template <class T>
struct Backward {
  Backward(const Context& what, const at::Tensor& gradient)
      : rows(what.images),
        vectors(rows, what.folded.mean, what.folded.scale, what.folded.shift),
        all{data<T>(what.images),
            data<T>(gradient),
            rows.width,
            {vectors.scale.data(), vectors.shift.data(), what.output.defined() ? data<T>(what.output) : nullptr,
             what.relu}} {}

  Rows rows;
  Vectors<T> vectors;
  Inputs<T> all;
};

/// The first pass: the sums over the pixels of the gradient, and of its product with x - mean. `write`, if not empty,
/// writes the gradient piece by piece.
template <class T>
std::vector<double> gradient_sums(const Backward<T>& what, const WriteGradient& write) {
  const Rows& rows = what.rows;
  return sum_rows<T>(rows, [&](int64_t first, int64_t number, float* sum, float* product) {
    if (write) write(first * rows.copies, number * rows.copies);
    blocks_of(rows, first, number, [&](int64_t r, int64_t count) {
      const Inputs<T> here = what.all.at(r);
      add_gradients(here.x, here.gradient, count, here.width, here.gate, what.vectors.mean.data(), sum, product);
    });
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

/// The second pass: gradients of images and, if asked for, shortcut.
template <class T>
std::tuple<at::Tensor, at::Tensor> write_all(const Backward<T>& what, const Context& context, const Terms& terms,
                                             const Optional& beside) {
  const Rows& rows = what.rows;
  const at::Tensor of_images = images_of(context.images, rows.channels),
                   of_shortcut = context.shortcut ? images_of(context.images, rows.channels) : at::Tensor();
  const Slopes slopes{what.vectors.mean.data(), terms.slope.data(), terms.offset.data()};
  const T* others = data<T>(beside);
  T *to = of_images.mutable_data_ptr<T>(),
    *to_shortcut = context.shortcut ? of_shortcut.mutable_data_ptr<T>() : nullptr;
  each_block(rows, [=, all = what.all, width = rows.width](int64_t r, int64_t count) {
    const Inputs<T> here = all.at(r);
    write_gradients(here.x, here.gradient, count, width, here.gate, slopes, others ? others + r * width : nullptr,
                    to + r * width, to_shortcut ? to_shortcut + r * width : nullptr);
  });
  return {of_images, of_shortcut};
}

/// The second pass where the images are some channels of wider ones.
template <class T>
at::Tensor spread_all(const Backward<T>& what, const Context& context, const Terms& terms, const Selection& chosen,
                      const Optional& beside) {
  const Rows& rows = what.rows;
  const at::Tensor of_images = images_of(context.images, chosen.width);
  const Slopes slopes{what.vectors.mean.data(), terms.slope.data(), terms.offset.data()};
  const T* others = data<T>(beside);
  T* to = of_images.mutable_data_ptr<T>();
  each_part(rows, [&](int64_t from, int64_t end) {
    Floats space(rows.width + chosen.width);
    const Inputs<T> here = what.all.at(from);
    const int64_t first = from * rows.copies * chosen.width;
    spread_gradients(here.x, here.gradient, end - from, rows.width, rows.copies, here.gate, slopes,
                     others ? others + first : nullptr, chosen, space.data(), to + first);
  });
  return of_images;
}

/// With `chosen` for images that are some channels of wider ones.
Gradients backward_of(const Context& context, const at::Tensor& gradient, const WriteGradient& write,
                      const std::optional<Selection>& chosen, const Optional& beside) {
  return by_type(context.images, [&](auto type) -> Gradients {
    using T = decltype(type);
    const Backward<T> what(context, gradient);
    const Rows& rows = what.rows;
    const float *scale = floats(context.folded.scale), *inverse_std = floats(context.folded.inverse_std);
    const auto sums = gradient_sums(what, write);
    const Terms terms = terms_of<T>(sums, static_cast<double>(rows.pixels), rows, scale, inverse_std);
    Gradients out;
    if (chosen)
      out.images = spread_all(what, context, terms, *chosen, beside);
    else
      std::tie(out.images, out.shortcut) = write_all(what, context, terms, beside);
    std::tie(out.gamma, out.beta) = affine_gradients(sums, inverse_std, chosen ? chosen->channels : nullptr,
                                                     chosen ? chosen->width : rows.channels);
    return out;
  });
}

Context context_of(const at::Tensor& images, const at::Tensor& mean, const at::Tensor& inverse_std,
                   const at::Tensor& scale, const at::Tensor& shift, const Optional& output, bool relu, bool shortcut) {
  return {images, {mean, inverse_std, scale, shift}, output.value_or(at::Tensor()), relu, shortcut};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> backward_cpu(
    const at::Tensor& images, const at::Tensor& mean, const at::Tensor& inverse_std, const at::Tensor& scale,
    const at::Tensor& shift, const Optional& output, bool relu, bool has_shortcut, const at::Tensor& gradient,
    const Optional& beside) {
  const Context what = context_of(images, mean, inverse_std, scale, shift, output, relu, has_shortcut);
  const Gradients out = backward_of(what, gradient, {}, {}, beside);
  return {out.images, out.gamma, out.beta, out.shortcut};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> gradient_sums_cpu(const at::Tensor& images, const at::Tensor& mean,
                                                                 const at::Tensor& inverse_std, const at::Tensor& scale,
                                                                 const at::Tensor& shift, const Optional& output,
                                                                 bool relu, const at::Tensor& gradient) {
  const Context context = context_of(images, mean, inverse_std, scale, shift, output, relu, false);
  return by_type(images, [&](auto type) {
    const Backward<decltype(type)> what(context, gradient);
    const auto sums = gradient_sums(what, {});
    const auto [gamma, beta] = affine_gradients(sums, floats(inverse_std), nullptr, what.rows.channels);
    return std::tuple(gamma, beta, to_share(sums, static_cast<double>(what.rows.pixels)));
  });
}

std::tuple<at::Tensor, at::Tensor> gradients_cpu(const at::Tensor& images, const at::Tensor& mean,
                                                 const at::Tensor& inverse_std, const at::Tensor& scale,
                                                 const at::Tensor& shift, const Optional& output, bool relu,
                                                 bool has_shortcut, const at::Tensor& gradient, const Optional& beside,
                                                 const at::Tensor& shared) {
  const Context context = context_of(images, mean, inverse_std, scale, shift, output, relu, has_shortcut);
  return by_type(images, [&](auto type) {
    using T = decltype(type);
    const Backward<T> what(context, gradient);
    const auto [sums, pixels] = shared_sums(shared);
    const Terms terms = terms_of<T>(sums, pixels, what.rows, floats(scale), floats(inverse_std));
    return write_all(what, context, terms, beside);
  });
}

Selection selection_of(const at::Tensor& channels, int64_t wide) { return {wide, channels.const_data_ptr<int64_t>()}; }

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward_selected_cpu(const at::Tensor& images, const at::Tensor& mean,
                                                                     const at::Tensor& inverse_std,
                                                                     const at::Tensor& scale, const at::Tensor& shift,
                                                                     bool relu, const at::Tensor& gradient,
                                                                     const at::Tensor& channels, int64_t wide,
                                                                     const Optional& beside) {
  const Context what = context_of(images, mean, inverse_std, scale, shift, {}, relu, false);
  const Gradients out = backward_of(what, gradient, {}, selection_of(channels, wide), beside);
  return {out.images, out.gamma, out.beta};
}

}  // namespace

bool can_write_in_pieces(const at::Tensor& images) {
  constexpr int64_t kChunksAThread = 4;
  const Rows rows(images);
  return rows.count >= kChunksAThread * at::get_num_threads() * chunk_of(rows);
}

Gradients backward_writing(const Context& context, const at::Tensor& gradient, const WriteGradient& write,
                           const at::Tensor& channels, int64_t width, const at::Tensor& beside) {
  const auto chosen = channels.defined() ? std::optional(selection_of(channels, width)) : std::nullopt;
  return backward_of(context, gradient, write, chosen, beside.defined() ? Optional(beside) : std::nullopt);
}

}  // namespace earlybird::fused_norm

TORCH_LIBRARY_IMPL(earlybird, CPU, m) {
  using namespace earlybird::fused_norm;
  m.impl("norm_backward", &backward_cpu);
  m.impl("norm_backward_selected", &backward_selected_cpu);
  m.impl("norm_gradient_sums", &gradient_sums_cpu);
  m.impl("norm_gradients", &gradients_cpu);
}
