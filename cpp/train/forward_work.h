#pragma once

#include <optional>
#include <string>

#include "train/run_pass.h"

namespace earlybird {

/// Sends batches through a network in its current mode, without gradients. The network must outlive it.
struct ForwardWork {
  explicit ForwardWork(Network& network, std::optional<Rounding> rounding = {});

  /// Forgets earlier batches. `where` names the pass in errors.
  PassWork start(Pass& pass, int64_t batch_size, bool bf16, const std::string& where);

  Network& network;
  PassSums sums;
  LowPrecision numbers;
};

}  // namespace earlybird
