#pragma once

#include <c10/util/BFloat16.h>

#include "layer/conv/product.h"

namespace earlybird::product {

/// Products of bfloat16 matrices with sums in float32, nearly twice as fast as those of floats on a processor that
/// multiplies pairs of bfloat16 (AVX512-BF16).
///
/// A matrix of pairs holds words in place of floats: a word is two bfloat16 values, of two neighbouring places of the
/// depth, the first one in its lower half. With an odd depth the last upper half is zero.

constexpr int64_t pairs_of(int64_t depth) { return (depth + 1) / 2; }

/// True where the processor has such instructions. Without them the functions below work, slowly.
bool multiplies_pairs();

/// The word of two floats, which must be bfloat16 values.
float pair_of(float low, float high);

/// Converts `rows` rows of `width` values, one after the other, to rows of pairs_of(width) words.
void rows_to_pairs(const c10::BFloat16* from, int64_t rows, int64_t width, float* to);

/// Converts up to 16 columns of `rows` rows, which are `stride` values apart, to pairs_of(rows) rows of 16 words.
/// Columns beyond `columns` are zero.
void block_to_pairs(const c10::BFloat16* from, int64_t stride, int64_t rows, int64_t columns, float* to);

/// Where multiplies_pairs(): converts `rows` rows of `width` values to the ReLU of value * scale + shift. The bits are
/// those of fused_norm::apply() but for the sign of NaN and for subnormal values, which become zero.
void norm_relu_to_bf16(const c10::BFloat16* from, int64_t rows, int64_t width, const float* scale, const float* shift,
                       c10::BFloat16* to);

/// Like product::multiply, for matrices of pairs; `depth` counts words. The product of the upper halves is added first,
/// then that of the lower ones. Subnormal operands and sums count as zero.
void multiply_pairs(int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed, Matrix right,
                    Matrix result, bool add);

/// The same, with rows of the result one after the other and rounded to nearest, ties to even. NaN stays NaN, subnormal
/// results become zero. `room` is for rows * columns floats.
void multiply_pairs_to_bf16(int64_t rows, int64_t columns, int64_t depth, Matrix left, Matrix right,
                            c10::BFloat16* result, float* room);

/// The slow twin of multiply_pairs: the same bits.
void multiply_pairs_plain(int64_t rows, int64_t columns, int64_t depth, Matrix left, bool transposed, Matrix right,
                          Matrix result, bool add);

}  // namespace earlybird::product
