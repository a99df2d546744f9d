// The loops of MX rounding over memory of the CPU.
#pragma once

#include "quant/mx_arithmetic.h"

namespace earlybird::mx {

/// A rounding as the loops need it.
struct Kernel {
  MxFormat format;
  MxScale scale;
  MxRounding rounding;
  quant::NoiseKey key;
  /// The scale of the tensor, for NVFP4.
  float tensor_scale = 1;
};

/// Elements of a call of round_rows, a multiple of the length of every block; positions of a call of round_lines.
inline constexpr int64_t kChunk = 512, kPositions = 256;

/// Rounds `count` contiguous values, at most kChunk: whole rows of `length`, each cut into blocks. The first is element
/// `number` of its tensor. `to` may be `from`.
void round_rows(const float* from, float* to, int64_t count, int64_t length, int64_t number, const Kernel& kernel);

/// Rounds blocks side by side: entry j of block i, of `lines` entries, lies at i + j * stride; at most kPositions
/// blocks.
void round_lines(const float* from, float* to, int64_t blocks, int64_t lines, int64_t stride, int64_t number,
                 const Kernel& kernel);

}  // namespace earlybird::mx
