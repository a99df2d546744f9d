#pragma once

#include "layer/conv/product.h"

namespace earlybird::product {

/// Products of matrices of integers, which are exact, nearly twice as fast as those of floats on a processor that
/// multiplies pairs of 16-bit integers (AVX-512 VNNI), and more accurate than those of bfloat16: an integer has 13
/// bits, a bfloat16 eight.
///
/// A matrix of integers holds words in place of floats: a word is two 16-bit integers, of two neighbouring places of
/// the depth. Each row of a left matrix and each column of a right one (and of a transposed left one) has a scale.

/// The largest magnitude of an integer. A sum of 128 products of two of them fits in 32 bits.
constexpr int32_t kLargest = 4095;

constexpr int64_t words_of(int64_t depth) { return (depth + 1) / 2; }

/// True where the processor has such instructions. Without them the functions below work, slowly.
bool multiplies_integers();

/// Converts a row of `count` floats to integers: to the nearest of 4095 steps on each side of zero up to the largest
/// magnitude, halves to even. `to` becomes words_of(count) words. The scale is the step; NaN if a value is infinite or
/// NaN, and zero if all magnitudes are below 1e-30.
void row_to_integers(const float* from, int64_t count, float* to, float& scale);

/// The same for each of the 16 columns of a block: `rows` rows, `stride` floats apart, become words_of(rows) rows of 16
/// words.
void block_to_integers(const float* from, int64_t stride, int64_t rows, float* to, int64_t to_stride, float* scales);

/// Like product::multiply, for matrices of words; `depth` counts words. The results are sums of 128 products, times the
/// scales of row and column, added up. `right_scales` must be readable up to whole blocks of columns.
void multiply_integers(int64_t rows, int64_t columns, int64_t depth, Matrix left, const float* left_scales,
                       bool transposed, Matrix right, const float* right_scales, Matrix result, bool add);

/// The slow twins: the same bits.
void row_to_integers_plain(const float* from, int64_t count, float* to, float& scale);
void block_to_integers_plain(const float* from, int64_t stride, int64_t rows, float* to, int64_t to_stride,
                             float* scales);
void multiply_integers_plain(int64_t rows, int64_t columns, int64_t depth, Matrix left, const float* left_scales,
                             bool transposed, Matrix right, const float* right_scales, Matrix result, bool add);

}  // namespace earlybird::product
