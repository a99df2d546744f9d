#include "train/evaluate.h"

#include <ATen/ATen.h>

#include "core/autocast.h"
#include "core/error.h"
#include "data/resident_tensors.h"
#include "model/network.h"
#include "train/meter.h"

namespace earlybird {

void check_fit(const Network& network, const ResidentDataset& dataset, int64_t batch_size) {
  const ModelDescription model = network.describe();
  const auto& images = dataset.tensors().images;
  if (images.size(1) != model.input[1] || images.size(2) != model.input[2])
    throw Error("ERR_SHAPE", "The model takes images of " + std::to_string(model.input[1]) + "x" +
                                 std::to_string(model.input[2]) + " pixels, the dataset has " +
                                 std::to_string(images.size(1)) + "x" + std::to_string(images.size(2)) + ".");
  if (dataset.classes() > model.classes)
    throw Error("ERR_SHAPE", "The dataset has " + std::to_string(dataset.classes()) + " classes, the model " +
                                 std::to_string(model.classes) + ".");
  if (images.device() != network.parameters().front().device())
    throw Error("ERR_DEVICE", "The dataset is on " + images.device().str() + ", the model on " +
                                  network.parameters().front().device().str() + ".");
  if (batch_size < 1) throw Error("ERR_USAGE", "The batch size must be at least 1.");
}

PassResult evaluate(Network& network, const ResidentDataset& dataset, int64_t batch_size, bool bf16,
                    const CancelToken& cancel, const ProgressCallback& progress) {
  check_fit(network, dataset, batch_size);
  at::NoGradGuard no_grad;
  network.eval();
  const auto& data = dataset.tensors();
  const at::Tensor order = at::arange(dataset.count(), data.labels.options());
  Meter meter(data.labels.device());
  Pace pace((dataset.count() + batch_size - 1) / batch_size, cancel, progress);
  for (int64_t first = 0; first < dataset.count(); first += batch_size) {
    const int64_t size = std::min(batch_size, dataset.count() - first);
    const at::Tensor index = order.narrow(0, first, size), labels = data.labels.narrow(0, first, size);
    at::Tensor logits;
    {
      AutocastGuard autocast(bf16, data.labels.device().type());
      logits = network.forward(data.batch(index, 0, 0)).to(at::kFloat);
    }
    meter.add(at::cross_entropy_loss(logits, labels), logits, labels);
    pace.step(size, meter);
  }
  PassResult out = meter.read("evaluation");
  out.seconds = pace.seconds();
  return out;
}

}  // namespace earlybird
