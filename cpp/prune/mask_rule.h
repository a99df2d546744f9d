// The rule by which a mask keeps a channel, for the CPU and CUDA kernels of mask_bits.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace earlybird {

/// A value for `kept_above` that lets the threshold alone decide.
constexpr int32_t kNever = INT32_MAX;

/// Magnitudes are the bits of |gamma|. NaN is never kept.
EB_HOST_DEVICE bool is_kept(int32_t magnitude, int32_t threshold, int32_t kept_above) {
  return magnitude <= 0x7f800000 && (magnitude > threshold || magnitude > kept_above);
}

}  // namespace earlybird
