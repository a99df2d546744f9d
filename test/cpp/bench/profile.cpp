// The summary of a trace: self times of nested operators, idle time of a device.
#include "bench/profile.h"

#include "check.h"

namespace {

using earlybird::StepProfile;
using earlybird::TraceEvent;

constexpr int64_t kMs = 1'000'000;

TraceEvent event(const char* name, int64_t begin, int64_t end, uint64_t thread = 1, bool on_device = false) {
  return {name, begin * kMs, end * kMs, thread, on_device};
}

double time_of(const StepProfile& profile, const std::string& name) {
  for (const auto& use : profile.kernels)
    if (use.name == name) return use.milliseconds;
  return -1;
}

}  // namespace

EB_TEST("bench: self times of operators") {
  // conv (0-10) calls direct (0-8), which calls copy (2-5); on another thread something else runs at the same time.
  const StepProfile profile = earlybird::summarise({event("copy", 2, 5), event("conv", 0, 10), event("direct", 0, 8),
                                                    event("conv", 12, 13), event("other", 1, 4, 2)});
  check(!profile.device_kernels, "host events are operators", 0);
  check(time_of(profile, "conv") == 3, "own time of an outer operator", time_of(profile, "conv"));
  check(time_of(profile, "direct") == 5, "own time of an inner operator", time_of(profile, "direct"));
  check(time_of(profile, "copy") == 3, "own time of the innermost", time_of(profile, "copy"));
  check(time_of(profile, "other") == 3, "threads do not nest", time_of(profile, "other"));
  check(profile.kernels.front().name == "direct", "longest first", profile.kernels.front().milliseconds);
  check(profile.busy == 11, "time of any operator", profile.busy);
}

EB_TEST("bench: kernels and idle time of a device") {
  const StepProfile profile =
      earlybird::summarise({event("cudaLaunchKernel", 0, 1), event("cudaGraphLaunch", 1, 2),
                            event("cudaDeviceSynchronize", 2, 9), event("gemm", 2, 5, 7, true),
                            event("add", 4, 6, 8, true), event("add", 9, 10, 7, true), event("tiny", 10, 11, 7, true)});
  check(profile.device_kernels, "device events are kernels", 0);
  check(profile.launches == 2, "what puts work on the device", static_cast<double>(profile.launches));
  check(profile.kernels.size() == 3 && time_of(profile, "add") == 3, "kernels alone", time_of(profile, "add"));
  check(profile.span == 9 && profile.busy == 6, "overlapping kernels are busy once", profile.busy);
  check(profile.gaps == 1 && profile.longest_gap == 3, "idle in between", profile.longest_gap);
}

EB_TEST("bench: an empty trace") { check(earlybird::summarise({}).kernels.empty(), "no kernels", 0); }
