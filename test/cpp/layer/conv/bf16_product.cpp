// Products of bfloat16 pairs against their slow twin (the same bits), and against float64.
#include "layer/conv/bf16_product.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "check.h"
#include "tensors.h"

namespace {

using namespace earlybird::product;

/// The rows of a bfloat16 tensor as a left matrix.
at::Tensor pair_rows(const at::Tensor& values) {
  at::Tensor words = at::zeros({values.size(0) * pairs_of(values.size(1))});
  rows_to_pairs(values.const_data_ptr<at::BFloat16>(), values.size(0), values.size(1), words.data_ptr<float>());
  return words;
}

/// Its columns as a right matrix, or as a left one that is transposed.
at::Tensor pair_columns(const at::Tensor& values) {
  const int64_t depth = values.size(0), columns = values.size(1), words = pairs_of(depth);
  at::Tensor out = at::empty({words * whole_blocks(columns)});
  for (int64_t c = 0; c < columns; c += kBlock)
    block_to_pairs(values.const_data_ptr<at::BFloat16>() + c, columns, depth, columns - c,
                   out.data_ptr<float>() + c * words);
  return out;
}

void compare_pairs(int64_t rows, int64_t columns, int64_t depth, double scale) {
  const at::Tensor a = at::randn({rows, depth}).mul(scale).to(at::kBFloat16),
                   b = at::randn({depth, columns}).to(at::kBFloat16);
  const int64_t words = pairs_of(depth), width = whole_blocks(columns);
  const at::Tensor left = pair_rows(a), turned = pair_columns(a.t().contiguous()), right = pair_columns(b);
  const auto product = [&](decltype(&multiply_pairs) multiply, bool transposed, bool add) {
    at::Tensor result = at::full({rows, width}, 0.5);
    const Matrix of_a = transposed ? Matrix{turned.data_ptr<float>(), kBlock, words * kBlock}
                                   : Matrix{left.data_ptr<float>(), words, kBlock};
    multiply(rows, columns, words, of_a, transposed, {right.data_ptr<float>(), kBlock, words * kBlock},
             {result.data_ptr<float>(), width, kBlock}, add);
    return result;
  };
  const std::string what = std::to_string(rows) + "x" + std::to_string(columns) + "x" + std::to_string(depth);
  at::Tensor rounded = at::empty({rows, columns}, at::kBFloat16), room = at::empty({rows * columns});
  multiply_pairs_to_bf16(rows, columns, words, {left.data_ptr<float>(), words, kBlock},
                         {right.data_ptr<float>(), kBlock, words * kBlock}, rounded.data_ptr<at::BFloat16>(),
                         room.data_ptr<float>());
  const at::Tensor sums = product(multiply_pairs_plain, false, false).narrow(1, 0, columns);
  check(rounded.equal(at::where(sums.abs() < 1.17549435e-38f, at::zeros_like(sums), sums).to(at::kBFloat16)),
        what + ", rounded", 0);
  for (const bool transposed : {false, true})
    for (const bool add : {false, true}) {
      const at::Tensor got = product(multiply_pairs, transposed, add);
      check(same_bits(got, product(multiply_pairs_plain, transposed, add)), what + ", the twin", transposed);
      const at::Tensor truth = a.to(at::kDouble).mm(b.to(at::kDouble)) + (add ? 0.5 : 0.0);
      const at::Tensor error = (got.narrow(1, 0, columns).to(at::kDouble) - truth).abs().max();
      check(error.item<double>() < 1e-6 * std::sqrt(static_cast<double>(depth)) * (1 + scale), what,
            error.item<double>());
    }
}

}  // namespace

EB_TEST("layer: products of bfloat16 pairs have the bits of their slow twin") {
  if (!multiplies_pairs()) note("no AVX512-BF16: the twin is compared with itself");
  for (const int64_t rows : {1, 7, 64})
    for (const int64_t columns : {1, 16, 31, 100})
      for (const int64_t depth : {1, 2, 17, 128, 129, 300}) compare_pairs(rows, columns, depth, 1);
  // Products and sums below the smallest normal number.
  compare_pairs(8, 48, 40, 1e-38);
}

EB_TEST("layer: a pair keeps the bits of both values") {
  const at::Tensor values = at::tensor({-0.0f, 1.5f, -2.0f}).to(at::kBFloat16).view({1, 3});
  const at::Tensor words = pair_rows(values).view(at::kInt);
  check(words[0].item<int32_t>() == 0x3fc08000 && words[1].item<int32_t>() == 0x0000c000, "row", 0);
  const at::Tensor column = pair_columns(values.t().contiguous()).view(at::kInt);
  check(column[0].item<int32_t>() == 0x3fc08000 && column[kBlock].item<int32_t>() == 0x0000c000, "column", 0);
  check(at::full({}, pair_of(-0.0f, 1.5f)).view(at::kInt).item<int32_t>() == 0x3fc08000, "pair_of", 0);
}
