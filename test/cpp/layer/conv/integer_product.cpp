// Products of integers against their slow twins (the same bits), and against float64.
#include "layer/conv/integer_product.h"

#include <ATen/ATen.h>

#include <limits>
#include <string>

#include "check.h"

namespace {

using namespace earlybird::product;

/// Rows of floats as a left matrix: words, and a scale for each row.
struct Rows {
  at::Tensor words, scales;
  int64_t width;

  Rows(const at::Tensor& values, decltype(&row_to_integers) convert) : width(whole_blocks(words_of(values.size(1)))) {
    words = at::zeros({values.size(0) * width});
    scales = at::zeros({values.size(0)});
    for (int64_t r = 0; r < values.size(0); ++r)
      convert(values[r].const_data_ptr<float>(), values.size(1), words.data_ptr<float>() + r * width,
              scales.data_ptr<float>()[r]);
  }
  Matrix matrix() const { return {words.data_ptr<float>(), width, kBlock}; }
};

/// Columns of floats, as a right matrix or a left one that is transposed.
struct Columns {
  at::Tensor words, scales;
  int64_t depth;

  Columns(const at::Tensor& values, decltype(&block_to_integers) convert) : depth(words_of(values.size(0))) {
    const int64_t rows = values.size(0), width = whole_blocks(values.size(1));
    const at::Tensor padded = at::zeros({rows, width});
    padded.narrow(1, 0, values.size(1)).copy_(values);
    words = at::zeros({depth * width});
    scales = at::zeros({width});
    for (int64_t c = 0; c < width; c += kBlock)
      convert(padded.const_data_ptr<float>() + c, width, rows, words.data_ptr<float>() + c * depth, kBlock,
              scales.data_ptr<float>() + c);
  }
  Matrix matrix() const { return {words.data_ptr<float>(), kBlock, depth * kBlock}; }
};

bool same_bits(const at::Tensor& a, const at::Tensor& b) { return a.view(at::kInt).equal(b.view(at::kInt)); }

void compare_integers(int64_t rows, int64_t columns, int64_t depth) {
  const at::Tensor a = at::randn({rows, depth}), b = at::randn({depth, columns});
  const std::string what = std::to_string(rows) + "x" + std::to_string(columns) + "x" + std::to_string(depth);
  const Rows left(a, row_to_integers), left_plain(a, row_to_integers_plain);
  check(same_bits(left.words, left_plain.words) && same_bits(left.scales, left_plain.scales), what + ", rows", 0);
  const Columns right(b, block_to_integers), right_plain(b, block_to_integers_plain);
  check(same_bits(right.words, right_plain.words) && same_bits(right.scales, right_plain.scales), what + ", columns",
        0);
  const Columns turned(a.t().contiguous(), block_to_integers);

  const int64_t width = whole_blocks(columns);
  const auto product = [&](decltype(&multiply_integers) multiply, bool transposed, bool add) {
    at::Tensor result = at::full({rows, width}, 0.5);
    multiply(rows, columns, words_of(depth), transposed ? turned.matrix() : left.matrix(),
             (transposed ? turned.scales : left.scales).const_data_ptr<float>(), transposed, right.matrix(),
             right.scales.const_data_ptr<float>(), {result.data_ptr<float>(), width, kBlock}, add);
    return result;
  };
  for (const bool transposed : {false, true})
    for (const bool add : {false, true}) {
      const at::Tensor got = product(multiply_integers, transposed, add);
      check(same_bits(got, product(multiply_integers_plain, transposed, add)), what + ", the twin", transposed);
      const at::Tensor truth = a.to(at::kDouble).mm(b.to(at::kDouble)) + (add ? 0.5 : 0.0);
      const at::Tensor error = (got.narrow(1, 0, columns).to(at::kDouble) - truth).abs().max();
      // The bound is half a step of 1/4095 of the largest values, of some four, on both sides.
      check(error.item<double>() < 4e-3 * std::sqrt(static_cast<double>(depth)), what, error.item<double>());
    }
}

}  // namespace

EB_TEST("layer: products of integers have the bits of their slow twins") {
  if (!multiplies_integers()) note("no AVX-512 VNNI: the twins are compared with themselves");
  for (const int64_t rows : {1, 7, 64})
    for (const int64_t columns : {1, 16, 31, 100})
      for (const int64_t depth : {1, 2, 17, 128, 129, 300}) compare_integers(rows, columns, depth);
}

EB_TEST("layer: the largest integers do not overflow") {
  const at::Tensor ones = at::ones({1, 128}), column = at::ones({128, 16});
  const Rows left(ones, row_to_integers);
  const Columns right(-column, block_to_integers);
  at::Tensor result = at::zeros({1, kBlock});
  multiply_integers(1, kBlock, 64, left.matrix(), left.scales.const_data_ptr<float>(), false, right.matrix(),
                    right.scales.const_data_ptr<float>(), {result.data_ptr<float>(), kBlock, kBlock}, false);
  check((result + 128).abs().max().item<double>() < 1e-4, "-128", result[0][0].item<double>());
}

EB_TEST("layer: what is not finite is NaN in its row, and values that are next to zero are zero") {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    at::Tensor values = at::randn({2, 20});
    values[1][19] = value;
    for (const auto convert : {row_to_integers, row_to_integers_plain}) {
      const Rows rows(values, convert);
      check(std::isfinite(rows.scales[0].item<float>()) && std::isnan(rows.scales[1].item<float>()), "scales", 0);
    }
  }
  const Rows tiny(at::full({1, 4}, 1e-31f), row_to_integers);
  check(tiny.scales[0].item<float>() == 0 && tiny.words.abs().max().item<float>() == 0, "tiny", 0);
}
