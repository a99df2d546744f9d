#pragma once

#include <limits>

#include "core/cancel.h"
#include "model/low_precision.h"
#include "train/pass_sums.h"
#include "train/captured_work.h"

namespace earlybird {

class Network;

/// What is done with the batches of a pass.
struct PassWork {
  Pass& pass;
  int64_t batch_size;
  int64_t most_steps = std::numeric_limits<int64_t>::max();
  bool bf16 = false;
  /// Device work for one batch, which adds it to the meter. It refers to nothing that goes with the pass.
  Repeated::Work work;
  /// All that the work changes.
  std::vector<at::Tensor> state;
  /// Names the pass in errors.
  std::string where;
  /// Called with the number of images of a batch before the work; then nothing is recorded.
  std::function<void(int64_t images)> before = {};
};

/// One pass from its first batch to the last, or to `most_steps`: training epochs and evaluations. Time that recording
/// takes is not counted. Throws ERR_NUMERIC where numbers or the loss are no longer finite, ERR_ABORTED.
PassResult run_pass(PassWork what, Repeated& repeated, Meter& meter, LowPrecision& numbers, const CancelToken& cancel,
                    const ProgressCallback& progress);

/// Throws ERR_SHAPE when the model and the dataset do not fit together (size, classes, device).
void check_fit(const Network& network, const Dataset& dataset, int64_t batch_size);

}  // namespace earlybird
