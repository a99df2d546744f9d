#pragma once

#include "core/ranks.h"

namespace earlybird {

/// While one lives with ranks, BatchNorm layers in training mode take the statistics of a step over all of them,
/// forward and backward. One at a time: it is for the engine thread.
class SharedNormsGuard {
 public:
  explicit SharedNormsGuard(Ranks* ranks);
  ~SharedNormsGuard();
  SharedNormsGuard(const SharedNormsGuard&) = delete;
  SharedNormsGuard& operator=(const SharedNormsGuard&) = delete;
};

/// Those of the guard, or null.
Ranks* shared_norms();

}  // namespace earlybird
