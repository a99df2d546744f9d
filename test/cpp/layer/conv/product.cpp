// The product of matrices against its slow twin: the same bits.
#include "layer/conv/product.h"

#include <ATen/ATen.h>

#include <string>

#include "check.h"

namespace {

using earlybird::product::kBlock;
using earlybird::product::Matrix;

enum class Layout { kPacked, kRows };

/// Random values; rows in memory are readable to whole blocks of columns.
struct Held {
  at::Tensor storage;
  Matrix matrix;

  Held(int64_t rows, int64_t columns, Layout layout) {
    const int64_t width = earlybird::product::whole_blocks(columns);
    storage = at::randn({rows * width});
    auto* data = storage.data_ptr<float>();
    matrix = layout == Layout::kPacked ? Matrix{data, kBlock, rows * kBlock} : Matrix{data, width, kBlock};
  }
};

void compare(int64_t rows, int64_t columns, int64_t depth) {
  for (const Layout layout : {Layout::kPacked, Layout::kRows})
    for (const bool transposed : {false, true})
      for (const bool add : {false, true}) {
        const Held left(transposed ? depth : rows, transposed ? rows : depth, layout), right(depth, columns, layout);
        Held result(rows, columns, layout);
        const at::Tensor before = result.storage.clone();
        multiply(rows, columns, depth, left.matrix, transposed, right.matrix, result.matrix, add);
        const at::Tensor got = result.storage.clone();
        result.storage.copy_(before);
        multiply_plain(rows, columns, depth, left.matrix, transposed, right.matrix, result.matrix, add);
        const std::string what = std::to_string(rows) + "x" + std::to_string(columns) + "x" + std::to_string(depth) +
                                 (transposed ? " transposed" : "") + (add ? " added" : "");
        // Equal everywhere: nothing beside the columns was written.
        check(got.equal(result.storage), what, (got - result.storage).abs().max().item<double>());
      }
}

}  // namespace

EB_TEST("layer: the product of matrices has the bits of its slow twin") {
  for (const int64_t rows : {1, 4, 7, 64, 70})
    for (const int64_t columns : {1, 8, 13, 16, 24, 31, 32, 100})
      for (const int64_t depth : {1, 5, 16, 130, 257}) compare(rows, columns, depth);
  compare(3, 5, 0);
}
