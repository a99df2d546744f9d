#pragma once

#include <chrono>

#include "core/cancel.h"
#include "train/pass_sums.h"

namespace earlybird {

/// Checks the cancel token at every step of a pass and reports progress at most four times a second.
class Pace {
 public:
  /// `steps` counts the whole epoch, of which `from` is done.
  Pace(int64_t steps, const PassPosition& from, const CancelToken& cancel, ProgressCallback callback);
  void step(int64_t images, PassSums& sums);
  /// Seconds of the epoch so far, with those before the pass.
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  int64_t steps_, done_, images_;
  double before_;
  const CancelToken& cancel_;
  ProgressCallback callback_;
  Clock::time_point start_ = Clock::now(), last_ = start_;
};

}  // namespace earlybird
