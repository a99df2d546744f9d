#pragma once

#include <functional>
#include <optional>

#include "core/cancel.h"
#include "core/graph.h"
#include "data/dataset.h"
#include "quant/formats.h"
#include "train/pass_result.h"

namespace earlybird {

class Network;

struct EvaluateOptions {
  int64_t batch_size = 0;
  bool bf16 = false;
  /// Low precision: of the outputs of layers, where it is not that of the network's formats. Stochastic rounding draws
  /// the same bits in every evaluation.
  std::optional<Rounding> rounding = {};
  /// The forward pass is recorded as graphs of these; eager where it is empty.
  GraphFactory graphs = {};
};

/// One pass in evaluation mode, in dataset order, without gradients.
PassResult evaluate(Network& network, Dataset& dataset, const EvaluateOptions& options, const CancelToken& cancel,
                    const ProgressCallback& progress);

}  // namespace earlybird
