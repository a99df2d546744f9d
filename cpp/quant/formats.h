#pragma once

#include <cstdint>

namespace earlybird {

/// The rounding of block floating point (Yang et al., SWALP, ICML 2019; docs/reference.md#10).
enum class Rounding { kNearest, kStochastic };

/// QPyTorch's quantiser, which the reference uses, or SWALP's own; they differ in details.
enum class BlockFlavour { kQtorch, kSwalp };

/// Word lengths in bits of the number types of low-precision training: kFull, or 2 to 22.
struct NumberFormats {
  static constexpr int64_t kFull = -1;
  int64_t weight = kFull, activate = kFull, grad = kFull, error = kFull, momentum = kFull;
  Rounding rounding = Rounding::kStochastic;
  BlockFlavour flavour = BlockFlavour::kQtorch;
  /// Whether a block with an infinity or NaN ends the epoch with ERR_NUMERIC; otherwise it is not rounded.
  bool refuse_non_finite = true;
};

}  // namespace earlybird
