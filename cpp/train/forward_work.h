#pragma once

#include <optional>
#include <string>

#include "train/run_pass.h"

namespace earlybird {

/// Sends batches through a network, in the mode it is in, without gradients. The network outlives it.
struct ForwardWork {
  explicit ForwardWork(Network& network, std::optional<Rounding> rounding = {});

  /// Forgets earlier batches. `where`: what errors call the pass.
  PassWork start(Pass& pass, int64_t batch_size, bool bf16, const std::string& where);

  Network& network;
  Meter meter;
  LowPrecision numbers;
};

}  // namespace earlybird
