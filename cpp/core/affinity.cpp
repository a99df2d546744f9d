#include "core/affinity.h"

#include <ATen/Parallel.h>
#include <omp.h>
#include <sched.h>

namespace earlybird {

void spread_team() {
  const int threads = at::get_num_threads();
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || threads < 2) return;
  const bool fills = CPU_COUNT(&allowed) == threads;
#pragma omp parallel num_threads(threads)
  if (const int self = omp_get_thread_num(); self > 0) {
    cpu_set_t own = allowed;
    if (fills) {
      int rank = 0;
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &allowed) && rank++ != self) CPU_CLR(cpu, &own);
    }
    sched_setaffinity(0, sizeof own, &own);  // if it is refused, the scheduler decides as before
  }
}

}  // namespace earlybird
