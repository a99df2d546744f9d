// The kernel of product.cpp, integer_product.cpp and bf16_product.cpp, which include this file once for each
// instruction set, in a namespace of its own: vectors in functions that were compiled for another instruction set would
// be taken apart.

using V = float __attribute__((vector_size(EB_VECTOR_BYTES)));

/// The arithmetic of a product: the type of a sum, how a place of the depth is added to it, and how the sum of row and
/// column becomes the result.
struct Floats {
  using Sum = V;
  using Result = float;
  static constexpr int64_t kPlaces = kDepth;  // places that are summed in one sequence

  static Sum plus(const Sum& sum, const float& left, const Sum& right) { return sum + left * right; }
  static V& value(Sum& sum, int64_t, int64_t) { return sum; }
};

/// Loads and stores the first `count` values of a vector, all of them in the usual case.
template <class V>
inline void load(V& out, const float* from, int64_t count) {
  if (count >= static_cast<int64_t>(sizeof(V) / sizeof(float))) {
    std::memcpy(&out, from, sizeof(V));
  } else {
    out = V{};
    std::memcpy(&out, from, count * sizeof(float));
  }
}

template <class V>
inline void store(float* to, const V& value, int64_t count) {
  if (count >= static_cast<int64_t>(sizeof(V) / sizeof(float)))
    std::memcpy(to, &value, sizeof(V));
  else
    std::memcpy(to, &value, count * sizeof(float));
}

/// Columns from `column` on: where they begin in the right matrix and in the result, for each vector of a tile. The
/// steps of the result's matrix count values of its type.
template <int kVectors, class Result>
struct Strip {
  static constexpr int kLanes = sizeof(V) / sizeof(float);
  int64_t column;
  const float* right[kVectors];
  Result* result[kVectors];
  int64_t right_row, result_row;
  int64_t left_over;  // columns of the last vector

  Strip(int64_t first, int64_t columns, int64_t depth, const Matrix& b, const Matrix& c)
      : column(first), right_row(b.row), result_row(c.row), left_over(columns - column - (kVectors - 1) * kLanes) {
    for (int v = 0; v < kVectors; ++v) {
      right[v] = b.at(depth, column + v * kLanes);
      result[v] = reinterpret_cast<Result*>(c.data) + (c.at(0, column + v * kLanes) - c.data);
    }
  }
};

/// `kRows` x `kVectors` sums in registers: rows from `row` on, depth [begin, end).
template <class Op, int kRows, int kVectors, bool kTransposed>
inline void tile(const Op& op, int64_t row, int64_t begin, int64_t end, const Matrix& left,
                 const Strip<kVectors, typename Op::Result>& strip, bool add) {
  using Sum = typename Op::Sum;
  Sum sum[kRows][kVectors];
  const float* b[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) b[v] = strip.right[v];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[r][v] = Sum{};
  const auto step = [&](const float* a, int64_t stride) {
    Sum across[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      std::memcpy(&across[v], b[v], sizeof(Sum));
      b[v] += strip.right_row;
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = Op::plus(sum[r][v], a[r * stride], across[v]);
  };
  if constexpr (kTransposed) {
    const float* a = left.at(begin, row);
    for (int64_t k = begin; k < end; ++k, a += left.row) step(a, 1);
  } else {
    for (int64_t k = begin; k < end;) {
      const float* a = left.at(row, k);
      const int64_t stop = std::min(end, (k / kBlock + 1) * kBlock);
      for (; k < stop; ++k, ++a) step(a, left.row);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      auto* to = strip.result[v] + (row + r) * strip.result_row;
      const int64_t count = v + 1 < kVectors ? kBlock : strip.left_over;
      auto&& value = op.value(sum[r][v], row + r, strip.column + v * strip.kLanes);
      if constexpr (std::is_same_v<typename Op::Result, float>) {
        if (add) {
          V before;
          load(before, to, count);
          value += before;
        }
        store(to, value, count);
      } else {
        Op::store(to, value, count);
      }
    }
}

/// Rows [first, last) of a strip. The rows of a tile divide a block, so that none crosses its
/// end.
template <class Op, int kRows, int kVectors, bool kTransposed>
inline void tiles(const Op& op, int64_t first, int64_t last, int64_t begin, int64_t end, const Matrix& left,
                  const Strip<kVectors, typename Op::Result>& strip, bool add) {
  int64_t row = first;
  for (; row + kRows <= last; row += kRows)
    tile<Op, kRows, kVectors, kTransposed>(op, row, begin, end, left, strip, add);
  for (; row < last; ++row) tile<Op, 1, kVectors, kTransposed>(op, row, begin, end, left, strip, add);
}

/// Columns are split so that no tile is narrow if that can be avoided: with few sums the latency of the additions
/// shows. Tiles of four vectors write whole lines one after the other, but need more than 16 registers. A strip of
/// `right` stays in the first cache, some rows of `left` and of the result in the second.
template <class Op, int kRows, bool kTransposed>
inline void all(const Op& op, int64_t rows, int64_t columns, int64_t depth, const Matrix& left, const Matrix& right,
                const Matrix& result, bool add) {
  constexpr int64_t kLanes = sizeof(V) / sizeof(float), kRowsAtOnce = 64;
  constexpr bool kManyRegisters = sizeof(V) == 64;
  for (int64_t begin = 0; begin == 0 || begin < depth; begin += Op::kPlaces) {
    const int64_t end = std::min(depth, begin + Op::kPlaces);
    const bool more = add || begin > 0;
    for (int64_t first = 0; first < rows; first += kRowsAtOnce) {
      const int64_t last = std::min(rows, first + kRowsAtOnce);
      const auto columns_from = [&]<int kTileRows, int kVectors>(int64_t column) {
        const Strip<kVectors, typename Op::Result> strip(column, columns, begin, right, result);
        tiles<Op, kTileRows, kVectors, kTransposed>(op, first, last, begin, end, left, strip, more);
        return column + kVectors * kLanes;
      };
      for (int64_t column = 0; column < columns;) {
        const int64_t vectors = (columns - column + kLanes - 1) / kLanes;
        if constexpr (kManyRegisters) {
          if (vectors == 4 || vectors > 5) {
            column = columns_from.template operator()<kRows / 2, 4>(column);
            continue;
          }
        }
        if (vectors == 3 || vectors > 4)
          column = columns_from.template operator()<kRows, 3>(column);
        else if (vectors == 2 || vectors == 4)
          column = columns_from.template operator()<kRows, 2>(column);
        else
          column = columns_from.template operator()<2 * kRows, 1>(column);
      }
    }
  }
}

template <class Op>
inline void multiply_by(const Op& op, int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed,
                        Matrix right, Matrix result, bool add) {
  if (transposed)
    all<Op, EB_TILE_ROWS, true>(op, rows, columns, depth, left, right, result, add);
  else
    all<Op, EB_TILE_ROWS, false>(op, rows, columns, depth, left, right, result, add);
}

inline void multiply(int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed, Matrix right,
                     Matrix result, bool add) {
  multiply_by(Floats(), rows, columns, depth, left, transposed, right, result, add);
}
