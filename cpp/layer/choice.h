#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <vector>

namespace earlybird {

/// The implementations of a convolution on the CPU. Up to rounding all give the same result.
enum class Algorithm {
  kDirect,           // LibTorch's convolution
  kWinogradPacked,   // Winograd over our product of packed matrices
  kWinogradLibrary,  // Winograd over LibTorch's product of matrices
  kWinogradOnednn,   // Winograd over oneDNN's product of matrices, through LibTorch
  kPacked,           // 1x1: our product of packed matrices
};

/// What decides the implementation of a convolution of stride 1, without groups and bias.
struct ConvShape {
  at::ScalarType dtype;  // float32, or bfloat16 under autocast
  int64_t kernel;        // 3 (padding 1) or 1 (no padding)
  int64_t in;
  int64_t out;
  int64_t side;  // the shorter side of the image
};

/// The implementation for a convolution: one answer for each class of shapes. An answer is forced, given back by a
/// run's own files or a cache, measured (once a process), or by rule where nothing is measured.
Algorithm algorithm_for(const ConvShape& shape);

}  // namespace earlybird
