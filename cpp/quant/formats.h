#pragma once

#include <cstdint>

namespace earlybird {

/// How block floating point rounds (Yang et al., SWALP, ICML 2019; spec section 10).
enum class Rounding { kNearest, kStochastic };

/// Whose details: QPyTorch's quantiser, which the release uses, or SWALP's own.
enum class BlockFlavour { kQtorch, kSwalp };

/// Word lengths in bits of the number types of low-precision training: kFull, or 2 to 22.
struct NumberFormats {
  static constexpr int64_t kFull = -1;
  int64_t weight = kFull, activate = kFull, grad = kFull, error = kFull, momentum = kFull;
  Rounding rounding = Rounding::kStochastic;
  BlockFlavour flavour = BlockFlavour::kQtorch;
  /// A block with an infinity or NaN ends the epoch with ERR_NUMERIC; else it goes on as it is.
  bool refuse_non_finite = true;
};

}  // namespace earlybird
