#include "train/evaluate.h"

#include <ATen/ATen.h>

#include "data/pass.h"
#include "model/network.h"
#include "train/forward_work.h"
#include "train/run_pass.h"

namespace earlybird {

/// What a graph of the evaluation refers to, for as long as the network lives.
class Evaluation {
 public:
  Evaluation(Network& network, const EvaluateOptions& options)
      : repeated(options.graphs),
        rounding(options.rounding),
        captures(options.graphs != nullptr),
        forward(network, options.rounding) {}

  bool fits(const EvaluateOptions& options) const {
    return rounding == options.rounding && captures == (options.graphs != nullptr);
  }

  Repeated repeated;
  std::optional<Rounding> rounding;
  bool captures;
  ForwardWork forward;
};

PassResult evaluate(Network& network, Dataset& dataset, const EvaluateOptions& options, const CancelToken& cancel,
                    const ProgressCallback& progress) {
  check_fit(network, dataset, options.batch_size);
  at::NoGradGuard no_grad;
  network.eval();
  if (!network.evaluation || !network.evaluation->fits(options))
    network.evaluation = std::make_shared<Evaluation>(network, options);
  Evaluation& kept = *network.evaluation;
  const auto pass = dataset.evaluation_pass(options.batch_size, cancel);
  return run_pass(kept.forward.start(*pass, options.batch_size, options.bf16, "the evaluation"), kept.repeated,
                  kept.forward.meter, kept.forward.numbers, cancel, progress);
}

}  // namespace earlybird
