#include "core/team.h"

#include <omp.h>

#include <algorithm>
#include <future>
#include <memory>
#include <thread>

namespace earlybird {

void fix_team_size() {
  omp_set_dynamic(0);
  omp_set_max_active_levels(std::max(1, omp_get_max_active_levels()));
}

int team_size(int threads, std::chrono::milliseconds limit) {
  // Asks on a new thread, since the engine's may be busy; the team ends with the thread.
  const auto size = std::make_shared<std::promise<int>>();
  std::future<int> answer = size->get_future();
  std::thread([size, threads] {
    fix_team_size();
    int found = 0;
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
      found = omp_get_num_threads();
    }
    size->set_value(found);
  }).detach();
  return answer.wait_for(limit) == std::future_status::ready ? answer.get() : 0;
}

}  // namespace earlybird
