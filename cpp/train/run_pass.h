#pragma once

#include <limits>

#include "core/cancel.h"
#include "model/low_precision.h"
#include "train/captured_work.h"
#include "train/pass_sums.h"

namespace earlybird {

class Network;

/// The work of one pass.
struct PassWork {
  Pass& pass;
  int64_t batch_size;
  int64_t most_steps = std::numeric_limits<int64_t>::max();
  bool bf16 = false;
  /// Device work for one batch, which also adds the batch to the sums. It must not refer to anything that ends with the
  /// pass.
  CapturedWork::Work work;
  /// All tensors that the work changes.
  std::vector<at::Tensor> state;
  /// Names the pass in errors.
  std::string where;
  /// Called before the work of each batch with its number of images; then nothing is captured.
  std::function<void(int64_t images)> before = {};
  /// Ranks that work on the pass together, or null. With ranks, a batch without images is replaced by `idle`, or passed
  /// over where there is none.
  Ranks* ranks = nullptr;
  std::optional<Batch> idle = {};
  /// Where the pass begins; at its end, also after an error, the last step done. Its sums are left to
  /// PassSums::write().
  PassPosition* position = nullptr;
};

/// Runs a pass from its first batch to the last, or to `most_steps`: training epochs and evaluations. The time of a
/// capture is not counted. With ranks all end after the same step, also where one of them is cancelled. Throws
/// ERR_NUMERIC where numbers or the loss are no longer finite, ERR_DATASET where too many or all images do not decode,
/// ERR_ABORTED.
PassResult run_pass(PassWork what, CapturedWork& captured, PassSums& sums, LowPrecision& numbers,
                    const CancelToken& cancel, const ProgressCallback& progress);

/// The token for the source of a pass's batches. With ranks it is never set: run_pass alone decides where a pass ends.
const CancelToken& token_for_data(const Ranks* ranks, const CancelToken& cancel);

/// The bad images of all ranks, on each of them.
std::vector<BadImage> bad_of_all(Ranks* ranks, const std::vector<BadImage>& own);

/// The batch of a rank that has no image of a step.
Batch no_images(const Network& network, const Dataset& dataset);

/// Throws ERR_SHAPE when the model and the dataset do not fit together (size, classes, device).
void check_fit(const Network& network, const Dataset& dataset, int64_t batch_size);

}  // namespace earlybird
