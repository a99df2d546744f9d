#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "data/dataset.h"
#include "train/pass_result.h"

namespace earlybird {

class Trainer;

/// Something a profiler saw: an operator or a launch on the host, or a kernel or copy on the device. Nanoseconds.
struct TraceEvent {
  std::string name;
  int64_t begin = 0, end = 0;
  uint64_t thread = 0;
  bool on_device = false;
};

/// All events of one name. Milliseconds are those the event took itself, without what was called inside it.
struct KernelUse {
  std::string name;
  int64_t calls = 0;
  double milliseconds = 0;
};

/// Sums over all profiled steps.
struct StepProfile {
  /// Whether `kernels` are those of a device; else they are operators on the host (on a GPU: its profiler is not
  /// there).
  bool device_kernels = false;
  /// By time, longest first.
  std::vector<KernelUse> kernels;
  /// Calls of the host that give the device work: kernels, whole graphs, copies.
  int64_t launches = 0;
  /// Device: from the first kernel's begin to the last one's end, and how long of it any kernel ran. Host: wall-clock
  /// time of the steps, and how long of it any operator ran.
  double span = 0, busy = 0;
  /// Times the device stood idle in between, and the longest of them, milliseconds. 0 on the host.
  int64_t gaps = 0;
  double longest_gap = 0;
  PassResult pass;
};

/// The pure half of a profile: all but the wall-clock time and `pass`.
StepProfile summarise(std::vector<TraceEvent> events);

/// To be called from the thread that opened LibTorch, before the first profile_steps: Kineto complains on stderr when
/// another one wakes it.
void wake_profiler();

/// Trains `steps` steps under LibTorch's profiler (Kineto). Steps of one pass follow each other, so that idle time
/// between two of them counts.
StepProfile profile_steps(Trainer& trainer, Dataset& dataset, int64_t epoch, double lr, int64_t batch_size,
                          int64_t steps, const CancelToken& cancel, const ProgressCallback& progress);

}  // namespace earlybird
