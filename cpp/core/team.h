#pragma once

#include <chrono>

namespace earlybird {

/// Makes the teams of the calling thread as large as it sets: oneDNN's barriers count the threads that were set, and
/// wait for ever in a smaller team, which OpenMP may choose by itself (OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS).
void fix_team_size();

/// The size of the team that a new thread gets which sets `threads`; less where OMP_THREAD_LIMIT forbids more, 0 where
/// there is no team within `limit`.
int team_size(int threads, std::chrono::milliseconds limit);

}  // namespace earlybird
