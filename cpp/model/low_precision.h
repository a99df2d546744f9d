#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quant/quantized_layer.h"

namespace earlybird {

class Network;

/// Position in the random sequence and first fault of a low-precision pass, kept on the device, so that a step can be
/// captured. Does nothing for a network without formats.
class LowPrecision {
 public:
  /// `rounding` of the outputs of layers, where it differs from the network's formats.
  LowPrecision(const Network& network, uint64_t seed, NumberKind outputs, std::optional<Rounding> rounding = {});

  /// True where it rounds as the network's formats say now; a schedule may have changed them since.
  bool fits(const Network& network) const;

  /// The argument of QuantizeGuard; null for a network without formats.
  const QuantizedPass* pass() const { return pass_ ? &*pass_ : nullptr; }

  /// Forgets all faults.
  void start(int64_t epoch, int64_t step = 0);

  /// Moves to the next step.
  void advance();

  /// Waits for the device. Throws ERR_NUMERIC with the name of the tensor for the first fault since the start, if the
  /// formats refuse faults. `where` names the pass.
  void check(const std::string& where) const;

 private:
  std::string tensor_text(NumberKind kind, size_t ordinal) const;
  std::string operand_text(uint32_t lane) const;

  std::optional<NumberFormats> formats_;  // formats of the network when this was made
  std::optional<QuantizedPass> pass_;
  std::vector<std::string> layers_, parameters_;
};

}  // namespace earlybird
