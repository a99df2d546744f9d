#pragma once

namespace earlybird {

/// Binds each other thread of the calling thread's OpenMP team to a core of its own, where the team is as large as the
/// set of cores that this process may use; a smaller team is left to the scheduler, because several programs may share
/// the machine then. Without this, a thread that had fallen asleep between two operators is often woken on the core
/// that waits for it, and two threads then take twice as long as one.
void spread_team();

}  // namespace earlybird
