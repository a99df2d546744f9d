#include "core/shared_norms.h"

namespace earlybird {
namespace {

/// Not thread-local: on a GPU the backward pass runs on a thread of its own.
Ranks* norm_ranks = nullptr;

}  // namespace

SharedNormsGuard::SharedNormsGuard(Ranks* ranks) { norm_ranks = ranks; }
SharedNormsGuard::~SharedNormsGuard() { norm_ranks = nullptr; }

Ranks* shared_norms() { return norm_ranks; }

}  // namespace earlybird
