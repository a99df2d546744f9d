#pragma once

#include <string>
#include <vector>

namespace earlybird {

/// Call it between steps, on the thread that computes. A few times a second it looks at the cores: it binds each other
/// thread of the OpenMP team to a core of its own while nothing else uses them, and sets the team free as soon as
/// something does.
///
/// Unbound, a thread that had fallen asleep between two operators is often woken on the core that waits for it, and two
/// threads then take twice as long as one. Bound, a thread waits behind a foreign one while another core idles. A team
/// smaller than the set of cores that this process may use is left to the scheduler.
void settle_team();

/// Seconds since an arbitrary start: of the clock, of all programs on the cores, and of this process.
struct CpuTimes {
  double clock, everyone, own;
};

/// True where other programs took less than a tenth of a core between two readings.
bool is_quiet(const CpuTimes& before, const CpuTimes& after);

/// Returns the seconds that the given cores have worked, by the text of /proc/stat; below zero where it does not name
/// them all. Time that a hypervisor took is not work.
double busy_seconds(const std::string& stat, const std::vector<int>& cores, double ticks_a_second);

}  // namespace earlybird
