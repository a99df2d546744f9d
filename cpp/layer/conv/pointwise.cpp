#include "layer/conv/pointwise.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/every_cpu.h"
#include "layer/conv/pixels.h"
#include "layer/conv/product.h"

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

void take(const float* from, float* to, int64_t count) { std::memcpy(to, from, count * sizeof(float)); }
void take(const at::BFloat16* from, float* to, int64_t count) { widen(from, to, count); }

/// Columns [first, first + columns) of some pixels of `width` channels, in packed blocks. Columns beyond are zero.
template <typename T>
Matrix packed(const T* pixels, int64_t count, int64_t width, int64_t first, int64_t columns, float* to) {
  const Matrix out{to, kBlock, count * kBlock};
  for (int64_t column = 0; column < columns; column += kBlock) {
    const int64_t taken = std::min(kBlock, columns - column);
    const T* from = pixels + first + column;
    float* row = out.at(0, column);
    if (taken == kBlock) {
      for (int64_t p = 0; p < count; ++p, row += kBlock) take(from + p * width, row, kBlock);
      continue;
    }
    for (int64_t p = 0; p < count; ++p, row += kBlock)
      for (int64_t c = 0; c < kBlock; ++c) row[c] = c < taken ? static_cast<float>(from[p * width + c]) : 0.0f;
  }
  return out;
}

/// A right matrix (depth, columns) of weights, which lie `depth_step` and `column_step` apart, in packed blocks.
struct Weights {
  int64_t depth, columns;
  at::Tensor storage;

  Weights(const at::Tensor& weight, int64_t rows, int64_t width, int64_t depth_step, int64_t column_step, bool rounded)
      : depth(rows), columns(width), storage(at::empty({rows * whole_blocks(width)}, at::kFloat)) {
    const auto* from = weight.const_data_ptr<float>();
    const Matrix to = matrix();
    at::parallel_for(0, whole_blocks(columns) / kBlock, 4, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block)
        for (int64_t d = 0; d < depth; ++d)
          for (int64_t c = block * kBlock; c < (block + 1) * kBlock; ++c) {
            const float value = c < columns ? from[d * depth_step + c * column_step] : 0.0f;
            *to.at(d, c) = rounded ? static_cast<float>(at::BFloat16(value)) : value;
          }
    });
  }

  Matrix matrix() const { return {storage.data_ptr<float>(), kBlock, depth * kBlock}; }
};

int64_t pixels_of(const at::Tensor& images) { return images.size(0) * images.size(2) * images.size(3); }

/// Pixels (pixels, in) times weights (in, out).
at::Tensor multiplied(const at::Tensor& images, const Weights& weights) {
  const int64_t in = weights.depth, out = weights.columns, pixels = pixels_of(images);
  at::Tensor result = at::empty({images.size(0), out, images.size(2), images.size(3)},
                                images.options().memory_format(at::MemoryFormat::ChannelsLast));
  const Matrix right = weights.matrix();
  with_pixels(images, [&](const auto* from) {
    using Pixel = std::remove_cv_t<std::remove_pointer_t<decltype(from)>>;
    auto* to = result.data_ptr<Pixel>();
    at::parallel_for(0, (pixels + kPixelsAtOnce - 1) / kPixelsAtOnce, 1, [&](int64_t begin, int64_t end) {
      constexpr bool kConverts = !std::is_same_v<Pixel, float>;
      std::vector<float> read(kConverts ? kPixelsAtOnce * in : 0), written(kConverts ? kPixelsAtOnce * out : 0);
      for (int64_t block = begin; block < end; ++block) {
        const int64_t first = block * kPixelsAtOnce, count = std::min(kPixelsAtOnce, pixels - first);
        if constexpr (kConverts) {
          widen(from + first * in, read.data(), count * in);
          product::multiply(count, out, in, {read.data(), in, kBlock}, false, right, {written.data(), out, kBlock},
                            false);
          narrow(written.data(), to + first * out, count * out);
        } else {
          product::multiply(count, out, in, {const_cast<float*>(from) + first * in, in, kBlock}, false, right,
                            {to + first * out, out, kBlock}, false);
        }
      }
    });
  });
  return result;
}

}  // namespace

at::Tensor forward(const at::Tensor& images, const at::Tensor& weight) {
  const int64_t out = weight.size(0), in = weight.size(1);
  const bool rounded = images.scalar_type() == at::kBFloat16;
  return multiplied(channels_last(images), Weights(weight.contiguous(), in, out, 1, in, rounded));
}

at::Tensor backward_images(const at::Tensor& gradient, const at::Tensor& weight) {
  const int64_t out = weight.size(0), in = weight.size(1);
  const bool rounded = gradient.scalar_type() == at::kBFloat16;
  return multiplied(channels_last(gradient), Weights(weight.contiguous(), out, in, in, 1, rounded));
}

at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images) {
  constexpr int64_t kRows = 256, kColumns = 192, kAtOnce = product::kDepth;
  const at::Tensor x = channels_last(images), g = channels_last(gradient);
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
  if (pixels == 0) result.zero_();
  const auto sum_of = [first = result.data_ptr<float>(), more = others.data_ptr<float>(),
                       size = out * in](int64_t part) { return part == 0 ? first : more + (part - 1) * size; };
  with_pixels(x, [&](const auto* values) {
    using Pixel = std::remove_cv_t<std::remove_pointer_t<decltype(values)>>;
    const auto* slopes = g.const_data_ptr<Pixel>();
    at::parallel_for(0, parts * row_parts * column_parts, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> left(kAtOnce * whole_blocks(std::min(out, kRows))),
          right(kAtOnce * whole_blocks(std::min(in, kColumns)));
      for (int64_t item = begin; item < end; ++item) {
        const int64_t part = item / (row_parts * column_parts), row = item / column_parts % row_parts * kRows,
                      column = item % column_parts * kColumns;
        const int64_t rows = std::min(kRows, out - row), columns = std::min(kColumns, in - column);
        const Matrix sum{sum_of(part) + row * in + column, in, kBlock};
        for (int64_t chunk = part * of_part; chunk < std::min(chunks, (part + 1) * of_part); ++chunk) {
          const int64_t first = chunk * kAtOnce, count = std::min(kAtOnce, pixels - first);
          product::multiply(rows, columns, count, packed(slopes + first * out, count, out, row, rows, left.data()),
                            true, packed(values + first * in, count, in, column, columns, right.data()), sum,
                            chunk > part * of_part);
        }
        if (part * of_part >= chunks)
          for (int64_t r = 0; r < rows; ++r) std::fill_n(sum.at(r, 0), columns, 0.0f);
      }
    });
  });
  constexpr int64_t kSumsAThread = 4096;
  at::parallel_for(0, out * in, kSumsAThread, [&](int64_t begin, int64_t end) {
    for (int64_t part = 1; part < parts; ++part) add(sum_of(0) + begin, sum_of(part) + begin, end - begin);
  });
  return result;
}

}  // namespace earlybird::pointwise
