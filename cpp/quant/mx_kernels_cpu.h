// The loops of MX rounding over memory of the CPU.
#pragma once

#include "quant/mx_kernel.h"

namespace earlybird::mx {

/// Elements of a call of round_rows, a multiple of the length of every block; positions of a call of round_lines.
inline constexpr int64_t kChunk = 512, kPositions = 256;

/// Rounds `count` contiguous values, at most kChunk: whole rows of `length`, each cut into blocks. The first is element
/// `number` of its tensor. Values are float, or bfloat16 as its 16 bits; from bfloat16 only to bfloat16. Returns
/// whether there was an infinity or NaN.
template <class From, class To>
bool round_rows(const From* from, To* to, int64_t count, int64_t length, int64_t number, const Kernel& kernel);

/// Rounds blocks side by side: entry j of block i, of `lines` entries, lies at i + j * stride; at most kPositions
/// blocks.
template <class From, class To>
bool round_lines(const From* from, To* to, int64_t blocks, int64_t lines, int64_t stride, int64_t number,
                 const Kernel& kernel);

}  // namespace earlybird::mx
