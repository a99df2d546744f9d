#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace earlybird {

/// One pass over a dataset (training epoch or evaluation). Accuracies in percent; "batch mean" values are unweighted
/// means over batches, as the reference reports them (docs/reference.md#5).
struct PassResult {
  int64_t images = 0;
  int64_t steps = 0;
  double seconds = 0;
  double loss = 0;
  double loss_batch_mean = 0;
  double top1 = 0;
  double top1_batch_mean = 0;
  double top5 = 0;
  double top5_batch_mean = 0;
  double waited = 0;          // seconds the steps waited for data
  std::vector<BadImage> bad;  // images left out because they did not decode
  bool captured = false;      // full batches were replays of a graph
  std::string why_eager;      // reason where a device with graphs ran eagerly
};

/// The place that a training epoch has reached: with the weights and the momentum of that moment, all that an exact
/// continuation needs. Shuffle, augmentation and rounding depend on seed, epoch and position alone.
struct PassPosition {
  int64_t batches = 0;  // of the epoch's order, with those that lost all their images
  int64_t steps = 0;
  int64_t images = 0;
  std::vector<double> sums;  // kSums of them; empty before the first step
  double seconds = 0;
  double waited = 0;
  std::vector<BadImage> bad;
};

struct Progress {
  int64_t step = 0;
  int64_t steps = 0;
  int64_t images = 0;
  double seconds = 0;
  std::optional<double> loss;
  std::optional<double> top1;
};

using ProgressCallback = std::function<void(const Progress&)>;

}  // namespace earlybird
