#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "data/dataset.h"
#include "train/pass_result.h"

namespace earlybird {

class Trainer;

/// One event of a profiler: an operator or launch on the host, or a kernel or copy on the device. Nanoseconds.
struct TraceEvent {
  std::string name;
  int64_t begin = 0, end = 0;
  uint64_t thread = 0;
  bool on_device = false;
};

/// All events of one name. Milliseconds are self time, without nested events.
struct KernelUse {
  std::string name;
  int64_t calls = 0;
  double milliseconds = 0;
};

/// Sums over all profiled steps.
struct StepProfile {
  /// True where `kernels` are those of a device; otherwise they are operators on the host (on a GPU where its profiler
  /// is missing).
  bool device_kernels = false;
  /// Sorted by time, longest first.
  std::vector<KernelUse> kernels;
  /// Calls of the host that queue work on the device: kernels, whole graphs, copies.
  int64_t launches = 0;
  /// Device: time from the begin of the first kernel to the end of the last, and the part in which any kernel ran.
  /// Host: wall-clock time of the steps, and the part in which any operator ran.
  double span = 0, busy = 0;
  /// Number of idle periods of the device, and the longest in milliseconds. 0 on the host.
  int64_t gaps = 0;
  double longest_gap = 0;
  PassResult pass;
};

/// Makes all of a profile but the wall-clock time and `pass`.
StepProfile summarise(std::vector<TraceEvent> events);

/// Call it from the thread that opened LibTorch, before the first profile_steps: Kineto warns on stderr when another
/// thread starts it.
void wake_profiler();

/// Trains `steps` steps under LibTorch's profiler (Kineto). They are steps of one pass, so that idle time between two
/// of them counts.
StepProfile profile_steps(Trainer& trainer, Dataset& dataset, int64_t epoch, double lr, int64_t batch_size,
                          int64_t steps, const CancelToken& cancel, const ProgressCallback& progress);

}  // namespace earlybird
