#pragma once

#include "core/ranks.h"

namespace earlybird {

/// While a guard with ranks lives, BatchNorm layers in training mode take the statistics of a step over all ranks,
/// forward and backward. At most one guard may live, on the engine thread.
class SharedNormsGuard {
 public:
  explicit SharedNormsGuard(Ranks* ranks);
  ~SharedNormsGuard();
  SharedNormsGuard(const SharedNormsGuard&) = delete;
  SharedNormsGuard& operator=(const SharedNormsGuard&) = delete;
};

/// The ranks of the living guard, or null.
Ranks* shared_norms();

}  // namespace earlybird
