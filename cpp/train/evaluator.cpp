#include "train/evaluator.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "data/pass.h"
#include "model/network.h"
#include "train/forward_work.h"
#include "train/run_pass.h"

namespace earlybird {

/// The objects that a captured evaluation refers to; valid for evaluations with the same options and formats.
struct Evaluator::Kept {
  Kept(Network& network, const EvaluateOptions& options)
      : captured(options.graphs),
        rounding(options.rounding),
        captures(options.graphs != nullptr),
        forward(network, options.rounding) {}

  bool fits(const Network& network, const EvaluateOptions& options) const {
    return rounding == options.rounding && captures == (options.graphs != nullptr) && forward.numbers.fits(network);
  }

  CapturedWork captured;
  std::optional<Rounding> rounding;
  bool captures;
  ForwardWork forward;
};

Evaluator::Evaluator(std::shared_ptr<Network> network) : network_(std::move(network)) {}

Evaluator::~Evaluator() = default;

PassResult Evaluator::evaluate(Dataset& dataset, const EvaluateOptions& options, const CancelToken& cancel,
                               const ProgressCallback& progress) {
  check_fit(*network_, dataset, options.batch_size);
  at::NoGradGuard no_grad;
  network_->eval();
  if (!kept_ || !kept_->fits(*network_, options)) kept_ = std::make_unique<Kept>(*network_, options);
  ForwardWork& forward = kept_->forward;
  Ranks* ranks = network_->ranks.get();
  // Without shared statistics each rank has its own. Those of rank 0 count, as its checkpoints have them.
  if (ranks) ranks->broadcast(network_->buffers(), "the statistics of BatchNorm");
  const auto pass = dataset.evaluation_pass(options.batch_size, token_for_data(ranks, cancel));
  return run_pass(forward.start(*pass, options.batch_size, options.bf16, "the evaluation"), kept_->captured,
                  forward.sums, forward.numbers, cancel, progress);
}

}  // namespace earlybird
