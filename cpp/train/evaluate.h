#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/cancel.h"
#include "data/dataset.h"
#include "quant/formats.h"
#include "train/metrics.h"

namespace earlybird {

class Network;
class Pass;

struct EvaluateOptions {
  int64_t batch_size = 0;
  bool bf16 = false;
  /// Low precision: of the outputs of layers, where it is not that of the network's formats. Stochastic rounding draws
  /// the same bits in every evaluation.
  std::optional<Rounding> rounding = {};
};

/// One pass in evaluation mode, in dataset order, without gradients.
PassResult evaluate(Network& network, Dataset& dataset, const EvaluateOptions& options, const CancelToken& cancel,
                    const ProgressCallback& progress);

/// Sends every batch of a pass through the network, in the mode it is in, without gradients. `before` is called with
/// the number of images of each batch. `where`: what errors call the pass.
PassResult forward_pass(Network& network, Pass& pass, const EvaluateOptions& options, const std::string& where,
                        const CancelToken& cancel, const ProgressCallback& progress,
                        const std::function<void(int64_t images)>& before = {});

/// Throws ERR_SHAPE when the model and the dataset do not fit together (size, classes, device).
void check_fit(const Network& network, const Dataset& dataset, int64_t batch_size);

}  // namespace earlybird
