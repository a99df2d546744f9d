#include "layer/conv/pointwise.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <type_traits>
#include <vector>

#include "layer/conv/pixels.h"
#include "layer/conv/pointwise_operands.h"
#include "layer/norm/fused_norm_memory.h"

namespace earlybird::pointwise {
namespace {

using fused_norm::images_of;

constexpr int64_t kPixelsAtOnce = 64;

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
    std::vector<float> words;
    const auto room = std::make_unique_for_overwrite<float[]>(sizeof(Pixel) == 2 ? kPixelsAtOnce * out : 0);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kPixelsAtOnce, count = std::min(kPixelsAtOnce, pixels - first);
      const Matrix left = Operands::rows(reader.read(first, count, read), count, in, words);
      Operands::multiply_to(count, out, weights.words(), left, right, to + first * out, room.get());
      if (added) add(to + first * out, added + first * out, count * out);
    }
  });
  return result;
}

/// The gradient of the weights as a sum over parts of the pixels, each of which has a sum of its own: their number and
/// their blocks depend only on shapes, so that results have the same bits with any number of threads.
template <class Operands, typename Pixel>
class WeightGradient {
 public:
  WeightGradient(const at::Tensor& g, const at::Tensor& x, const NormRelu& norm)
      : g_(g),
        x_(x),
        reader_(x, norm),
        out_(g.size(1)),
        in_(x.size(1)),
        pixels_(pixels_of(x)),
        rooms_(at::get_num_threads()) {
    constexpr int64_t kItems = 32, kMostFloats = 2 << 20;
    const fused_norm::Rows rows(x);
    const int64_t chunk = fused_norm::chunk_of(rows) * rows.copies,
                  sums = 2 * in_parts(pixels_, chunk) * out_ * in_ * sizeof(float),
                  second_pass = pixels_ * (out_ + in_) * sizeof(Pixel);
    follows_chunks_ = std::is_same_v<Pixel, float> && sums <= second_pass;
    if (follows_chunks_) {
      part_ = chunk;
    } else {
      const int64_t groups = in_parts(out_, kRows) * in_parts(in_, kColumns), blocks = in_parts(pixels_, kAtOnce),
                    parts = std::clamp<int64_t>(std::min(kItems / groups, kMostFloats / (out_ * in_)), 1,
                                                std::max<int64_t>(1, pixels_ / (4 * kAtOnce)));
      part_ = std::max<int64_t>(1, in_parts(blocks, parts)) * kAtOnce;
    }
    parts_ = std::max<int64_t>(1, in_parts(pixels_, part_));
    // The first sum is written to the result, so that only the others are freed here.
    result_ = at::empty({out_, in_, 1, 1}, at::kFloat);
    others_ = at::empty({(parts_ - 1) * out_ * in_}, at::kFloat);
  }

  /// True where a part is a chunk of the sums over the images (fused_norm::sum_rows), which add() can then follow: in
  /// float32, where sums of so many parts are fewer bytes than a second pass over gradient and images reads. In
  /// bfloat16 that pass takes less time than the pieces.
  bool follows_chunks() const { return follows_chunks_; }

  /// Adds the blocks that end in pixels [first, first + count), which follow those before them in a part.
  void add(int64_t first, int64_t count) {
    const int64_t part = first / part_, begin = part * part_, end = std::min(pixels_, begin + part_);
    for (int64_t block = begin + (first - begin) / kAtOnce * kAtOnce; block < first + count; block += kAtOnce) {
      const int64_t stop = std::min(block + kAtOnce, end);
      if (stop > first + count) break;
      for (int64_t row = 0; row < out_; row += kRows)
        for (int64_t column = 0; column < in_; column += kColumns) add_block(part, block, stop, row, column);
    }
  }

  /// Adds all pixels, on all threads.
  void add_all() {
    const int64_t rows = in_parts(out_, kRows), columns = in_parts(in_, kColumns);
    at::parallel_for(0, parts_ * rows * columns, 1, [&](int64_t from, int64_t to) {
      for (int64_t item = from; item < to; ++item) {
        const int64_t part = item / (rows * columns), row = item / columns % rows * kRows,
                      column = item % columns * kColumns, end = std::min(pixels_, (part + 1) * part_);
        for (int64_t block = part * part_; block < end; block += kAtOnce)
          add_block(part, block, std::min(block + kAtOnce, end), row, column);
      }
    });
  }

  at::Tensor sum() const {
    if (pixels_ == 0) return result_.zero_();
    constexpr int64_t kSumsAThread = 4096;
    at::parallel_for(0, out_ * in_, kSumsAThread, [&](int64_t begin, int64_t end) {
      for (int64_t part = 1; part < parts_; ++part)
        pointwise::add(sum_of(0) + begin, sum_of(part) + begin, end - begin);
    });
    return result_;
  }

 private:
  static constexpr int64_t kRows = 256, kColumns = 192, kAtOnce = product::kDepth;

  /// The operands of a block, packed.
  struct Room {
    std::vector<float> left, right;
    std::vector<Pixel> read;
  };

  static int64_t in_parts(int64_t all, int64_t of) { return (all + of - 1) / of; }
  float* sum_of(int64_t part) const {
    return part == 0 ? result_.data_ptr<float>() : others_.data_ptr<float>() + (part - 1) * out_ * in_;
  }

  /// Pixels [first, end), of one part, times the channels from `row` of the gradient and from `column` of the images.
  void add_block(int64_t part, int64_t first, int64_t end, int64_t row, int64_t column) {
    const int64_t count = end - first, rows = std::min(kRows, out_ - row), columns = std::min(kColumns, in_ - column),
                  depth = Operands::depth_of(kAtOnce);
    Room& room = rooms_[at::get_thread_num()];
    room.left.resize(depth * whole_blocks(std::min(out_, kRows)));
    room.right.resize(depth * whole_blocks(std::min(in_, kColumns)));
    const Matrix a = packed<Operands>(g_.const_data_ptr<Pixel>() + first * out_, count, out_, row, rows,
                                      room.left.data()),
                 b = packed<Operands>(reader_.read(first, count, room.read), count, in_, column, columns,
                                      room.right.data());
    const Matrix sum{sum_of(part) + row * in_ + column, in_, kBlock};
    Operands::multiply(rows, columns, Operands::depth_of(count), a, true, b, sum, first > part * part_);
  }

  const at::Tensor g_, x_;
  const PixelReader<Operands, Pixel> reader_;
  const int64_t out_, in_, pixels_;
  bool follows_chunks_;
  int64_t part_, parts_;  // pixels of a part; number of parts
  at::Tensor result_, others_;
  std::vector<Room> rooms_;  // one for each thread
};

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

Pieces gradients_in_pieces(const at::Tensor& gradient, const at::Tensor& images, const at::Tensor& weight,
                           const NormRelu& norm) {
  const int64_t out = weight.size(0), in = weight.size(1);
  return with_operands(gradient, [&](auto operands, auto pixel) -> Pieces {
    using Operands = decltype(operands);
    using Pixel = decltype(pixel);
    const Weights<Operands> weights(weight.contiguous(), out, in, in, 1, sizeof pixel == 2);
    const at::Tensor from = channels_last(gradient), memory = images_of(from, in);
    const auto of_weight = std::make_shared<WeightGradient<Operands, Pixel>>(from, channels_last(images), norm);
    const auto write = [=, to = memory.mutable_data_ptr<Pixel>()](int64_t first, int64_t count) {
      std::vector<float> words;
      const auto room = std::make_unique_for_overwrite<float[]>(sizeof(Pixel) == 2 ? count * in : 0);
      const Matrix left = Operands::rows(from.const_data_ptr<Pixel>() + first * out, count, out, words);
      Operands::multiply_to(count, in, weights.words(), left, weights.matrix(), to + first * in, room.get());
      if (of_weight->follows_chunks()) of_weight->add(first, count);
    };
    return {memory, write, [of_weight] {
              if (!of_weight->follows_chunks()) of_weight->add_all();
              return of_weight->sum();
            }};
  });
}

at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images, const NormRelu& norm) {
  return with_operands(images, [&](auto operands, auto pixel) {
    WeightGradient<decltype(operands), decltype(pixel)> out(channels_last(gradient), channels_last(images), norm);
    out.add_all();
    return out.sum();
  });
}

}  // namespace earlybird::pointwise
