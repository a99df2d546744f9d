#include "core/shared_norms.h"

namespace earlybird {
namespace {

/// Not of a thread: on a GPU the backward pass has a thread of its own.
Ranks* norm_ranks = nullptr;

}  // namespace

SharedNormsGuard::SharedNormsGuard(Ranks* ranks) { norm_ranks = ranks; }
SharedNormsGuard::~SharedNormsGuard() { norm_ranks = nullptr; }

Ranks* shared_norms() { return norm_ranks; }

}  // namespace earlybird
