#pragma once

#include <cstdint>

namespace earlybird::product {

/// Columns that lie side by side in a matrix.
constexpr int64_t kBlock = 16;

/// Places of the depth that are summed in one sequence.
constexpr int64_t kDepth = 128;

constexpr int64_t whole_blocks(int64_t columns) { return (columns + kBlock - 1) / kBlock * kBlock; }

/// A float32 matrix in blocks of 16 columns: element (r, c) is data[c / 16 * block + r * row + c % 16]. Rows in memory
/// one after the other are {data, stride, 16}; packed blocks, whose rows follow each other, are {data, 16, rows * 16}.
struct Matrix {
  float* data;
  int64_t row, block;

  float* at(int64_t r, int64_t column) const { return data + column / kBlock * block + r * row + column % kBlock; }
  /// The columns from `column` on, which must begin a block.
  Matrix from_column(int64_t column) const { return {at(0, column), row, block}; }
};

/// result (rows, columns) = left (rows, depth) x right (depth, columns), added to what `result` holds if `add`. With
/// `transposed` the left matrix lies in memory as (depth, rows). `right` must be readable up to whole blocks of
/// columns; of `result` nothing beyond `columns` is written. On one thread.
///
/// Each element is the sum of one fused multiply-add after the other over 128 places of the depth, and then of those
/// sums. So the bits are the same with AVX2, with AVX-512 and by `multiply_plain`, whatever the sizes of the tiles, and
/// the error grows little with the depth.
void multiply(int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed, Matrix right, Matrix result,
              bool add);

/// The slow twin.
void multiply_plain(int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed, Matrix right,
                    Matrix result, bool add);

}  // namespace earlybird::product
