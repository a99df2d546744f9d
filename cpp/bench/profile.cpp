#include "bench/profile.h"

#include <ATen/Context.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <unordered_map>

#include "train/trainer.h"

namespace earlybird {
namespace {

namespace impl = torch::profiler::impl;
namespace kineto = torch::autograd::profiler;

impl::ProfilerConfig config() { return impl::ProfilerConfig(impl::ProfilerState::KINETO); }

std::set<impl::ActivityType> activities() {
  if (at::globalContext().hasCUDA()) return {impl::ActivityType::CPU, impl::ActivityType::CUDA};
  return {impl::ActivityType::CPU};
}

/// Enabling without preparing crashes, and preparing again ends a prepared or running profile.
std::atomic<bool> prepared{false};

constexpr double kNanosecondsAMillisecond = 1e6;

/// True for a CUDA function that puts work on a stream.
bool is_launch(const std::string& name) {
  static const std::vector<std::string> kLaunches = {"cudaLaunch", "cuLaunch", "cudaGraphLaunch", "cudaMemcpy",
                                                     "cudaMemset"};
  return std::any_of(kLaunches.begin(), kLaunches.end(),
                     [&](const std::string& launch) { return name.rfind(launch, 0) == 0; });
}

/// Time of each event without that of events inside it on its thread. Events are sorted by begin, the longer first, so
/// the parent of an event is the last one before it that has not ended.
std::vector<int64_t> self_times(const std::vector<TraceEvent>& events) {
  std::vector<int64_t> times;
  std::unordered_map<uint64_t, std::vector<size_t>> open;  // running events by thread
  for (size_t i = 0; i < events.size(); ++i) {
    const TraceEvent& event = events[i];
    times.push_back(event.end - event.begin);
    auto& stack = open[event.thread];
    while (!stack.empty() && events[stack.back()].end <= event.begin) stack.pop_back();
    if (!stack.empty()) times[stack.back()] -= std::min(event.end, events[stack.back()].end) - event.begin;
    stack.push_back(i);
  }
  return times;
}

std::vector<KernelUse> by_name(const std::vector<TraceEvent>& events, const std::vector<int64_t>& times) {
  std::map<std::string, KernelUse> uses;
  for (size_t i = 0; i < events.size(); ++i) {
    KernelUse& use = uses[events[i].name];
    use.name = events[i].name;
    ++use.calls;
    use.milliseconds += static_cast<double>(times[i]) / kNanosecondsAMillisecond;
  }
  std::vector<KernelUse> out;
  for (auto& [name, use] : uses) out.push_back(std::move(use));
  std::stable_sort(out.begin(), out.end(),
                   [](const KernelUse& a, const KernelUse& b) { return a.milliseconds > b.milliseconds; });
  return out;
}

std::vector<TraceEvent> events_of(const kineto::ProfilerResult& result) {
  std::vector<TraceEvent> out;
  for (const auto& event : result.events()) {
    const auto begin = static_cast<int64_t>(event.startNs());
    out.push_back({event.name(), begin, begin + static_cast<int64_t>(event.durationNs()), event.startThreadId(),
                   event.deviceType() != at::kCPU});
  }
  return out;
}

}  // namespace

StepProfile summarise(std::vector<TraceEvent> events) {
  StepProfile out;
  out.launches = std::count_if(events.begin(), events.end(),
                               [](const TraceEvent& event) { return !event.on_device && is_launch(event.name); });
  out.device_kernels =
      std::any_of(events.begin(), events.end(), [](const TraceEvent& event) { return event.on_device; });
  std::erase_if(events, [&](const TraceEvent& event) { return event.on_device != out.device_kernels; });
  std::sort(events.begin(), events.end(), [](const TraceEvent& a, const TraceEvent& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  if (events.empty()) return out;
  // Kernels of several streams overlap and have no parent.
  std::vector<int64_t> times;
  if (out.device_kernels)
    for (const TraceEvent& event : events) times.push_back(event.end - event.begin);
  else
    times = self_times(events);
  out.kernels = by_name(events, times);

  int64_t reached = events.front().begin, busy = 0, longest = 0;
  for (const TraceEvent& event : events) {
    if (event.begin > reached) {
      ++out.gaps;
      longest = std::max(longest, event.begin - reached);
    }
    busy += std::max<int64_t>(0, event.end - std::max(reached, event.begin));
    reached = std::max(reached, event.end);
  }
  out.busy = static_cast<double>(busy) / kNanosecondsAMillisecond;
  out.span = static_cast<double>(reached - events.front().begin) / kNanosecondsAMillisecond;
  out.longest_gap = static_cast<double>(longest) / kNanosecondsAMillisecond;
  return out;
}

void wake_profiler() {
  static const bool first = [] {
    kineto::prepareProfiler(config(), activities());
    return prepared = true;
  }();
  (void)first;
}

StepProfile profile_steps(Trainer& trainer, Dataset& dataset, int64_t epoch, double lr, int64_t batch_size,
                          int64_t steps, const CancelToken& cancel, const ProgressCallback& progress) {
  cancel.check();
  if (!prepared.exchange(false)) kineto::prepareProfiler(config(), activities());
  kineto::enableProfiler(config(), activities());
  // The profiler belongs to this thread, which continues after a failed epoch.
  PassResult pass;
  try {
    pass = trainer.epoch(dataset, epoch, lr, batch_size, steps, cancel, progress);
  } catch (...) {
    kineto::disableProfiler();
    throw;
  }
  StepProfile out = summarise(events_of(*kineto::disableProfiler()));
  out.pass = pass;
  if (!out.device_kernels) {
    out.span = pass.seconds * 1000;
    out.gaps = 0;
    out.longest_gap = 0;
  }
  return out;
}

}  // namespace earlybird
