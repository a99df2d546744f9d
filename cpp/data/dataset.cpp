#include "data/dataset.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "data/pass.h"

namespace earlybird {

void check_indexes(const std::vector<int64_t>& indexes, int64_t count) {
  for (const int64_t index : indexes)
    if (index < 0 || index >= count)
      throw Error("ERR_SHAPE", "Image index " + std::to_string(index) + " is outside the dataset.");
}

int64_t images_before(const PassStart& start, int64_t images, int64_t batch_size) {
  const int64_t batches = (images + batch_size - 1) / batch_size;
  if (start.batches < 0 || start.batches > batches)
    throw Error("ERR_CHECKPOINT", "A position after " + std::to_string(start.batches) +
                                      " batches does not fit an epoch of " + std::to_string(batches) + ".");
  return std::min(images, start.batches * batch_size);
}

DrainResult drain(Dataset& dataset, uint64_t seed, uint32_t epoch, int64_t batch_size, const CancelToken& cancel) {
  if (batch_size < 1) throw Error("ERR_USAGE", "The batch size must be at least 1.");
  const auto start = std::chrono::steady_clock::now();
  const auto pass = dataset.own_pass(seed, epoch, batch_size, cancel);
  DrainResult out;
  while (pass->advance()) {
    cancel.check();
    out.images += pass->size();
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  out.bad = pass->bad();
  return out;
}

}  // namespace earlybird
