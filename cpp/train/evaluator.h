#pragma once

#include <memory>
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
  /// Low precision: rounding of the outputs of layers, where it differs from the network's formats. Stochastic rounding
  /// draws the same bits in every evaluation.
  std::optional<Rounding> rounding = {};
  /// Makes the graphs that capture the forward pass; empty: it is eager.
  GraphFactory graphs = {};
};

/// Evaluates one network, and keeps the captured forward pass from one evaluation to the next.
class Evaluator {
 public:
  explicit Evaluator(std::shared_ptr<Network> network);
  ~Evaluator();

  const std::shared_ptr<Network>& network() const { return network_; }

  /// One pass in evaluation mode, in dataset order, without gradients.
  PassResult evaluate(Dataset& dataset, const EvaluateOptions& options, const CancelToken& cancel,
                      const ProgressCallback& progress);

 private:
  struct Kept;
  std::shared_ptr<Network> network_;
  std::unique_ptr<Kept> kept_;
};

}  // namespace earlybird
