#include "layer/conv/product.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

namespace earlybird::product {
namespace {

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
namespace v4 {
#define EB_VECTOR_BYTES 64
#define EB_TILE_ROWS 8
#include "layer/conv/product_tiles.h"
#undef EB_VECTOR_BYTES
#undef EB_TILE_ROWS
}  // namespace v4
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
namespace v3 {
#define EB_VECTOR_BYTES 32
#define EB_TILE_ROWS 4
#include "layer/conv/product_tiles.h"
#undef EB_VECTOR_BYTES
#undef EB_TILE_ROWS
}  // namespace v3
#pragma GCC pop_options
#endif

namespace any {
#define EB_VECTOR_BYTES 16
#define EB_TILE_ROWS 4
#include "layer/conv/product_tiles.h"
}  // namespace any

}  // namespace

void multiply(int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed, Matrix right, Matrix result,
              bool add) {
#if defined(__x86_64__)
  static const auto widest = __builtin_cpu_supports("x86-64-v4")   ? v4::multiply
                             : __builtin_cpu_supports("x86-64-v3") ? v3::multiply
                                                                   : any::multiply;
  widest(rows, columns, depth, left, transposed, right, result, add);
#else
  any::multiply(rows, columns, depth, left, transposed, right, result, add);
#endif
}

void multiply_plain(int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed, Matrix right,
                    Matrix result, bool add) {
  for (int64_t begin = 0; begin == 0 || begin < depth; begin += kDepth)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        float sum = 0;
        for (int64_t k = begin; k < std::min(depth, begin + kDepth); ++k)
          sum = std::fma(transposed ? *left.at(k, r) : *left.at(r, k), *right.at(k, c), sum);
        *result.at(r, c) = add || begin > 0 ? *result.at(r, c) + sum : sum;
      }
}

}  // namespace earlybird::product
