#include "layer/conv/pointwise.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "core/every_cpu.h"
#include "layer/conv/bf16_product.h"
#include "layer/conv/pixels.h"
#include "layer/conv/product.h"
#include "layer/norm/fused_norm_blocks.h"
#include "layer/norm/fused_norm_rows.h"

namespace earlybird::pointwise {
namespace {

using product::kBlock;
using product::Matrix;
using product::whole_blocks;

constexpr int64_t kPixelsAtOnce = 64;

// --- Between pixels in memory and float32 ---

EB_EVERY_CPU void widen(const at::BFloat16* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = static_cast<uint32_t>(from[i].x) << 16;
    std::memcpy(to + i, &bits, sizeof(float));
  }
}

/// Rounds to nearest, ties to even; NaN stays NaN.
EB_EVERY_CPU void narrow(const float* from, at::BFloat16* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, from + i, sizeof(float));
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    to[i].x = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
  }
}

EB_EVERY_CPU void add(float* to, const float* more, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += more[i];
}

/// In float32, rounded as narrow() does; the bits of at::add.
EB_EVERY_CPU void add(at::BFloat16* to, const at::BFloat16* more, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t left = static_cast<uint32_t>(to[i].x) << 16, right = static_cast<uint32_t>(more[i].x) << 16;
    const uint32_t bits = std::bit_cast<uint32_t>(std::bit_cast<float>(left) + std::bit_cast<float>(right));
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    to[i].x = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
  }
}

// --- Operands: pixels and weights as matrices ---

/// Products of floats, to which bfloat16 is widened.
struct InFloats {
  static constexpr auto multiply = product::multiply;
  static int64_t depth_of(int64_t places) { return places; }

  template <typename Value>
  static float word(const Value& value, int64_t d, int64_t column) {
    return value(d, column);
  }

  static Matrix rows(const float* from, int64_t, int64_t width, std::vector<float>&) {
    return {const_cast<float*>(from), width, kBlock};
  }
  static Matrix rows(const at::BFloat16* from, int64_t count, int64_t width, std::vector<float>& room) {
    room.resize(count * width);
    widen(from, room.data(), count * width);
    return {room.data(), width, kBlock};
  }

  static void block(const float* from, int64_t stride, int64_t count, int64_t columns, float* to) {
    for (int64_t p = 0; p < count; ++p, from += stride, to += kBlock) {
      if (columns >= kBlock)
        std::memcpy(to, from, kBlock * sizeof(float));
      else
        std::fill(std::copy_n(from, columns, to), to + kBlock, 0.0f);
    }
  }
  static void block(const at::BFloat16* from, int64_t stride, int64_t count, int64_t columns, float* to) {
    for (int64_t p = 0; p < count; ++p, from += stride, to += kBlock) {
      if (columns >= kBlock)
        widen(from, to, kBlock);
      else
        std::fill(std::copy_n(from, columns, to), to + kBlock, 0.0f);
    }
  }

  /// Pixels times weights.
  static void multiply_to(int64_t count, int64_t columns, int64_t depth, Matrix left, Matrix right, float* to, float*) {
    multiply(count, columns, depth, left, false, right, {to, columns, kBlock}, false);
  }
  static void multiply_to(int64_t count, int64_t columns, int64_t depth, Matrix left, Matrix right, at::BFloat16* to,
                          float* room) {
    multiply_to(count, columns, depth, left, right, room, nullptr);
    narrow(room, to, count * columns);
  }
};

/// Products of bfloat16 as it is.
struct InPairs {
  static constexpr auto multiply = product::multiply_pairs;
  static constexpr auto block = product::block_to_pairs;
  static constexpr auto multiply_to = product::multiply_pairs_to_bf16;
  static int64_t depth_of(int64_t places) { return product::pairs_of(places); }

  template <typename Value>
  static float word(const Value& value, int64_t d, int64_t column) {
    return product::pair_of(value(2 * d, column), value(2 * d + 1, column));
  }

  /// With an even width pixels are words already.
  static Matrix rows(const at::BFloat16* from, int64_t count, int64_t width, std::vector<float>& room) {
    const int64_t words = product::pairs_of(width);
    if (width % 2 == 0) return {reinterpret_cast<float*>(const_cast<at::BFloat16*>(from)), words, kBlock};
    room.resize(count * words);
    product::rows_to_pairs(from, count, width, room.data());
    return {room.data(), words, kBlock};
  }
};

/// Columns [first, first + columns) of some pixels of `width` channels, in packed blocks. Columns beyond are zero.
template <class Operands, typename Pixel>
Matrix packed(const Pixel* pixels, int64_t count, int64_t width, int64_t first, int64_t columns, float* to) {
  const Matrix out{to, kBlock, Operands::depth_of(count) * kBlock};
  for (int64_t column = 0; column < columns; column += kBlock)
    Operands::block(pixels + first + column, width, count, columns - column, out.at(0, column));
  return out;
}

/// A right matrix (depth, columns) of weights, which lie `depth_step` and `column_step` apart, in packed blocks.
template <class Operands>
struct Weights {
  int64_t depth, columns;
  at::Tensor storage;

  Weights(const at::Tensor& weight, int64_t rows, int64_t width, int64_t depth_step, int64_t column_step, bool rounded)
      : depth(rows), columns(width), storage(at::empty({words() * whole_blocks(width)}, at::kFloat)) {
    const auto* from = weight.const_data_ptr<float>();
    const auto value = [=, this](int64_t d, int64_t c) {
      const float exact = d < depth ? from[d * depth_step + c * column_step] : 0.0f;
      return rounded ? static_cast<float>(at::BFloat16(exact)) : exact;
    };
    const Matrix to = matrix();
    at::parallel_for(0, whole_blocks(columns) / kBlock, 2, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) {
        const int64_t first = block * kBlock, count = std::min(kBlock, columns - first);
        for (int64_t d = 0; d < words(); ++d) {
          float* row = to.at(d, first);
          for (int64_t c = 0; c < count; ++c) row[c] = Operands::word(value, d, first + c);
          std::fill(row + count, row + kBlock, 0.0f);
        }
      }
    });
  }

  int64_t words() const { return Operands::depth_of(depth); }
  Matrix matrix() const { return {storage.data_ptr<float>(), kBlock, words() * kBlock}; }
};

/// Reads pixels of images (pixels, channels), normalised where asked.
template <class Operands, typename Pixel>
class PixelReader {
 public:
  PixelReader(const at::Tensor& images, const NormRelu& norm)
      : from_(images.const_data_ptr<Pixel>()), rows_(images), norm_(norm) {
    if (!norm.scale.defined() || std::is_same_v<Operands, InPairs>) return;
    scale_ = fused_norm::in_slots<Pixel>(norm.scale.const_data_ptr<float>(), rows_);
    shift_ = fused_norm::in_slots<Pixel>(norm.shift.const_data_ptr<float>(), rows_);
  }

  /// Pixels [first, first + count), of which both are multiples of 16 or the end. They may lie in `room`.
  const Pixel* read(int64_t first, int64_t count, std::vector<Pixel>& room) const {
    const Pixel* pixels = from_ + first * rows_.channels;
    if (!norm_.scale.defined()) return pixels;
    room.resize(count * rows_.channels);
    if constexpr (std::is_same_v<Operands, InPairs>) {
      product::norm_relu_to_bf16(pixels, count, rows_.channels, norm_.scale.template const_data_ptr<float>(),
                                 norm_.shift.template const_data_ptr<float>(), room.data());
    } else {
      const int64_t rows = count / rows_.copies, block = rows_.block();
      for (int64_t r = 0; r < rows; r += block)
        fused_norm::normalise_block(pixels + r * rows_.width, std::min(block, rows - r), rows_.width,
                                    {scale_.data(), shift_.data(), nullptr, true}, room.data() + r * rows_.width);
    }
    return room.data();
  }

 private:
  const Pixel* from_;
  fused_norm::Rows rows_;
  NormRelu norm_;
  fused_norm::Floats scale_, shift_;
};

// --- Products ---

at::Tensor images_of(const at::Tensor& like, int64_t channels) {
  return at::empty({like.size(0), channels, like.size(2), like.size(3)},
                   like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

int64_t pixels_of(const at::Tensor& images) { return images.size(0) * images.size(2) * images.size(3); }

/// Pixels (pixels, in) times weights (in, out), plus `shortcut` where it is defined.
template <class Operands, typename Pixel>
at::Tensor multiplied(const at::Tensor& images, const Weights<Operands>& weights, const NormRelu& norm,
                      const at::Tensor& shortcut) {
  const int64_t in = weights.depth, out = weights.columns, pixels = pixels_of(images);
  at::Tensor result = images_of(images, out);
  TORCH_CHECK(!shortcut.defined() || shortcut.sizes() == result.sizes(), "a shortcut has another shape");
  const Matrix right = weights.matrix();
  const PixelReader<Operands, Pixel> reader(images, norm);
  auto* to = result.data_ptr<Pixel>();
  const Pixel* added = shortcut.defined() ? shortcut.const_data_ptr<Pixel>() : nullptr;
  at::parallel_for(0, (pixels + kPixelsAtOnce - 1) / kPixelsAtOnce, 1, [&](int64_t begin, int64_t end) {
    std::vector<Pixel> read;
    std::vector<float> words, room(sizeof(Pixel) == 2 ? kPixelsAtOnce * out : 0);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kPixelsAtOnce, count = std::min(kPixelsAtOnce, pixels - first);
      const Matrix left = Operands::rows(reader.read(first, count, read), count, in, words);
      Operands::multiply_to(count, out, weights.words(), left, right, to + first * out, room.data());
      if (added) add(to + first * out, added + first * out, count * out);
    }
  });
  return result;
}

template <class Operands, typename Pixel>
at::Tensor weight_gradient(const at::Tensor& g, const at::Tensor& x, const NormRelu& norm) {
  constexpr int64_t kRows = 256, kColumns = 192, kAtOnce = product::kDepth;
  const int64_t out = g.size(1), in = x.size(1), pixels = pixels_of(x);
  const int64_t row_parts = (out + kRows - 1) / kRows, column_parts = (in + kColumns - 1) / kColumns;
  // Parts of the pixels have sums of their own. Their number depends only on shapes, so that results have the same bits
  // with any number of threads.
  constexpr int64_t kItems = 32, kMostFloats = 2 << 20;
  const int64_t parts = std::clamp<int64_t>(std::min(kItems / (row_parts * column_parts), kMostFloats / (out * in)), 1,
                                            std::max<int64_t>(1, pixels / (4 * kAtOnce)));
  const int64_t chunks = (pixels + kAtOnce - 1) / kAtOnce, of_part = (chunks + parts - 1) / parts;
  // The first sum is written to the result, so that only the others are freed here.
  at::Tensor result = at::empty({out, in, 1, 1}, at::kFloat);
  const at::Tensor others = at::empty({(parts - 1) * out * in}, at::kFloat);
  const auto sum_of = [first = result.data_ptr<float>(), more = others.data_ptr<float>(),
                       size = out * in](int64_t part) { return part == 0 ? first : more + (part - 1) * size; };
  const PixelReader<Operands, Pixel> reader(x, norm);
  const auto* slopes = g.const_data_ptr<Pixel>();
  at::parallel_for(0, parts * row_parts * column_parts, 1, [&](int64_t begin, int64_t end) {
    const int64_t depth = Operands::depth_of(kAtOnce);
    std::vector<float> left(depth * whole_blocks(std::min(out, kRows))),
        right(depth * whole_blocks(std::min(in, kColumns)));
    std::vector<Pixel> read;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t part = item / (row_parts * column_parts), row = item / column_parts % row_parts * kRows,
                    column = item % column_parts * kColumns;
      const int64_t rows = std::min(kRows, out - row), columns = std::min(kColumns, in - column);
      const Matrix sum{sum_of(part) + row * in + column, in, kBlock};
      for (int64_t chunk = part * of_part; chunk < std::min(chunks, (part + 1) * of_part); ++chunk) {
        const int64_t first = chunk * kAtOnce, count = std::min(kAtOnce, pixels - first);
        const Matrix a = packed<Operands>(slopes + first * out, count, out, row, rows, left.data()),
                     b = packed<Operands>(reader.read(first, count, read), count, in, column, columns, right.data());
        Operands::multiply(rows, columns, Operands::depth_of(count), a, true, b, sum, chunk > part * of_part);
      }
      if (part * of_part >= chunks)
        for (int64_t r = 0; r < rows; ++r) std::fill_n(sum.at(r, 0), columns, 0.0f);
    }
  });
  constexpr int64_t kSumsAThread = 4096;
  at::parallel_for(0, out * in, kSumsAThread, [&](int64_t begin, int64_t end) {
    for (int64_t part = 1; part < parts; ++part) add(sum_of(0) + begin, sum_of(part) + begin, end - begin);
  });
  return result;
}

/// Calls `work` with the operands for images of this type, and their type of pixels.
template <class Work>
auto with_operands(const at::Tensor& images, const Work& work) {
  if (images.scalar_type() != at::kBFloat16) return work(InFloats(), float());
  if (product::multiplies_pairs()) return work(InPairs(), at::BFloat16());
  return work(InFloats(), at::BFloat16());
}

}  // namespace

at::Tensor forward(const at::Tensor& images, const at::Tensor& weight, const NormRelu& norm,
                   const at::Tensor& shortcut) {
  const int64_t out = weight.size(0), in = weight.size(1);
  return with_operands(images, [&](auto operands, auto pixel) {
    const Weights<decltype(operands)> weights(weight.contiguous(), in, out, 1, in, sizeof pixel == 2);
    return multiplied<decltype(operands), decltype(pixel)>(channels_last(images), weights, norm, shortcut);
  });
}

at::Tensor backward_images(const at::Tensor& gradient, const at::Tensor& weight) {
  const int64_t out = weight.size(0), in = weight.size(1);
  return with_operands(gradient, [&](auto operands, auto pixel) {
    const Weights<decltype(operands)> weights(weight.contiguous(), out, in, in, 1, sizeof pixel == 2);
    return multiplied<decltype(operands), decltype(pixel)>(channels_last(gradient), weights, {}, {});
  });
}

ImagesGradient images_gradient(const at::Tensor& gradient, const at::Tensor& weight) {
  const int64_t out = weight.size(0), in = weight.size(1);
  return with_operands(gradient, [&](auto operands, auto pixel) -> ImagesGradient {
    using Operands = decltype(operands);
    using Pixel = decltype(pixel);
    const Weights<Operands> weights(weight.contiguous(), out, in, in, 1, sizeof pixel == 2);
    const at::Tensor from = channels_last(gradient), memory = images_of(from, in);
    return {memory, [=, to = memory.mutable_data_ptr<Pixel>()](int64_t first, int64_t count) {
              std::vector<float> words;
              const auto room = std::make_unique_for_overwrite<float[]>(sizeof(Pixel) == 2 ? count * in : 0);
              const Matrix left = Operands::rows(from.const_data_ptr<Pixel>() + first * out, count, out, words);
              Operands::multiply_to(count, in, weights.words(), left, weights.matrix(), to + first * in, room.get());
            }};
  });
}

at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images, const NormRelu& norm) {
  return with_operands(images, [&](auto operands, auto pixel) {
    return weight_gradient<decltype(operands), decltype(pixel)>(channels_last(gradient), channels_last(images), norm);
  });
}

}  // namespace earlybird::pointwise
