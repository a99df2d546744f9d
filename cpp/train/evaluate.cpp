#include "train/evaluate.h"

#include <ATen/ATen.h>

#include "core/autocast.h"
#include "core/error.h"
#include "data/pass.h"
#include "model/low_precision.h"
#include "model/network.h"
#include "train/meter.h"

namespace earlybird {

void check_fit(const Network& network, const Dataset& dataset, int64_t batch_size) {
  const ModelDescription model = network.describe();
  if (dataset.height() != model.input[1] || dataset.width() != model.input[2])
    throw Error("ERR_SHAPE", "The model takes images of " + std::to_string(model.input[1]) + "x" +
                                 std::to_string(model.input[2]) + " pixels, the dataset has " +
                                 std::to_string(dataset.height()) + "x" + std::to_string(dataset.width()) + ".");
  if (dataset.classes() > model.classes)
    throw Error("ERR_SHAPE", "The dataset has " + std::to_string(dataset.classes()) + " classes, the model " +
                                 std::to_string(model.classes) + ".");
  if (at::Device(dataset.device()) != network.parameters().front().device())
    throw Error("ERR_DEVICE", "The dataset is on " + dataset.device() + ", the model on " +
                                  network.parameters().front().device().str() + ".");
  if (batch_size < 1) throw Error("ERR_USAGE", "The batch size must be at least 1.");
}

PassResult forward_pass(Network& network, Pass& pass, const EvaluateOptions& options, const std::string& where,
                        const CancelToken& cancel, const ProgressCallback& progress,
                        const std::function<void(int64_t images)>& before) {
  at::NoGradGuard no_grad;
  const at::Device device = network.parameters().front().device();
  LowPrecision numbers(network, RandomLane{}.seed, NumberKind::kTest, options.rounding);
  Meter meter(device);
  Pace pace(pass.steps(), cancel, progress);
  while (pass.advance()) {
    const Batch batch = pass.batch();
    if (before) before(pass.size());
    at::Tensor logits;
    {
      AutocastGuard autocast(options.bf16, device.type());
      QuantizeGuard quantize(numbers.pass());
      logits = network.forward(batch.images).to(at::kFloat);
    }
    meter.add(at::cross_entropy_loss(logits, batch.labels), logits, batch.labels);
    numbers.advance();
    pace.step(pass.size(), meter);
  }
  numbers.check(where);
  PassResult out = meter.read(where);
  out.seconds = pace.seconds();
  out.waited = pass.waited();
  out.bad = pass.bad();
  return out;
}

PassResult evaluate(Network& network, Dataset& dataset, const EvaluateOptions& options, const CancelToken& cancel,
                    const ProgressCallback& progress) {
  check_fit(network, dataset, options.batch_size);
  network.eval();
  const auto pass = dataset.evaluation_pass(options.batch_size, cancel);
  return forward_pass(network, *pass, options, "the evaluation", cancel, progress);
}

}  // namespace earlybird
