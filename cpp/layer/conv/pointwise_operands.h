#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "layer/conv/bf16_product.h"
#include "layer/conv/norm_relu.h"
#include "layer/conv/product.h"
#include "layer/norm/fused_norm_blocks.h"
#include "layer/norm/fused_norm_rows.h"

// What the products of pointwise.h multiply: pixels and weights as matrices of float32, or of pairs of bfloat16.
namespace earlybird::pointwise {

using product::kBlock;
using product::Matrix;
using product::whole_blocks;

void widen(const at::BFloat16* from, float* to, int64_t count);

/// Rounds to nearest, ties to even; NaN stays NaN.
void narrow(const float* from, at::BFloat16* to, int64_t count);

void add(float* to, const float* more, int64_t count);

/// In float32, rounded as narrow() does; the bits of at::add but for those of NaN.
void add(at::BFloat16* to, const at::BFloat16* more, int64_t count);

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

  /// Pixels [first, first + count), of which both are multiples of Rows::copies. They may lie in `room`.
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

}  // namespace earlybird::pointwise
