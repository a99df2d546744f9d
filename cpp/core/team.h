#pragma once

#include <chrono>

namespace earlybird {

/// Makes OpenMP give the calling thread teams of the size that it sets. oneDNN's barriers count on that size and would
/// wait for ever in a smaller team, which OpenMP may otherwise choose (OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS).
void fix_team_size();

/// The size of the team that a new thread gets when it sets `threads`; less where OMP_THREAD_LIMIT forbids more, 0
/// where there is no team within `limit`.
int team_size(int threads, std::chrono::milliseconds limit);

}  // namespace earlybird
