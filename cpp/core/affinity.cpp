#include "core/affinity.h"

#include <ATen/Parallel.h>
#include <omp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

namespace earlybird {
namespace {

/// Seconds between two looks. A tick of /proc/stat is 10 ms, which must be little beside it.
constexpr double kWindow = 0.5;

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The team of the calling thread. In a run that is the engine's thread, the only one that computes; in tests of ranks
/// there are several.
struct Team {
  int threads = 0;
  std::vector<pid_t> others;  // their numbers by place in the team, from 1 on
  std::vector<int> cores;     // cores that this process may use
  cpu_set_t allowed{};
  bool fills = false, bound = false;
  CpuTimes last{};
};

CpuTimes read_times(const Team& team) {
  std::ifstream file("/proc/stat");
  std::ostringstream text;
  text << file.rdbuf();
  return {seconds_of(CLOCK_MONOTONIC), busy_seconds(text.str(), team.cores, static_cast<double>(sysconf(_SC_CLK_TCK))),
          seconds_of(CLOCK_PROCESS_CPUTIME_ID)};
}

void set_cores(Team& team, bool bind) {
  for (size_t i = 0; i < team.others.size(); ++i) {
    cpu_set_t own = team.allowed;
    if (bind) {
      CPU_ZERO(&own);
      CPU_SET(team.cores[i + 1], &own);
    }
    sched_setaffinity(team.others[i], sizeof own, &own);  // if it is refused, the scheduler decides as before
  }
  team.bound = bind;
}

/// GOMP_SPINCOUNT is 0 where idle threads may not spin: on one core, or within a quota of processor time, which all
/// threads share. It is read when the addon is loaded, since it is gone later (src/native/addon.ts).
const bool may_spin = [] {
  const char* spins = std::getenv("GOMP_SPINCOUNT");
  return !spins || std::string_view(spins) != "0";
}();

/// Finds the threads of a team of another size than before.
void gather_team(Team& team, int threads) {
  if (team.bound) set_cores(team, false);
  team = Team{};
  team.threads = threads;
  if (!may_spin) return;
  if (threads < 2 || sched_getaffinity(0, sizeof team.allowed, &team.allowed) != 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &team.allowed)) team.cores.push_back(cpu);
  if (static_cast<int>(team.cores.size()) != threads) return;
  team.others.resize(threads - 1);
#pragma omp parallel num_threads(threads)
  if (const int self = omp_get_thread_num(); self > 0) team.others[self - 1] = static_cast<pid_t>(syscall(SYS_gettid));
  team.fills = std::all_of(team.others.begin(), team.others.end(), [](pid_t thread) { return thread > 0; });
  team.last = read_times(team);
}

}  // namespace

void settle_team() {
  thread_local Team team;
  if (const int threads = at::get_num_threads(); threads != team.threads) gather_team(team, threads);
  if (!team.fills || seconds_of(CLOCK_MONOTONIC) - team.last.clock < kWindow) return;
  const CpuTimes now = read_times(team);
  const bool quiet = is_quiet(team.last, now);
  if (quiet != team.bound) set_cores(team, quiet);
  team.last = now;
}

bool is_quiet(const CpuTimes& before, const CpuTimes& after) {
  if (before.everyone < 0 || after.everyone < 0) return false;
  const double others = (after.everyone - before.everyone) - (after.own - before.own);
  return others < 0.1 * (after.clock - before.clock);
}

double busy_seconds(const std::string& stat, const std::vector<int>& cores, double ticks_a_second) {
  std::istringstream lines(stat);
  double ticks = 0;
  size_t found = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0, soft = 0;
    if (!(words >> name >> user >> nice >> system >> idle >> waiting >> interrupts >> soft)) continue;
    if (std::none_of(cores.begin(), cores.end(), [&](int core) { return name == "cpu" + std::to_string(core); }))
      continue;
    ticks += user + nice + system + interrupts + soft;
    ++found;
  }
  return found == cores.size() ? ticks / ticks_a_second : -1;
}

}  // namespace earlybird
