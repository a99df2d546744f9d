#include "data/dataset.h"

#include <chrono>

#include "core/error.h"
#include "data/pass.h"

namespace earlybird {

void check_indexes(const std::vector<int64_t>& indexes, int64_t count) {
  for (const int64_t index : indexes)
    if (index < 0 || index >= count)
      throw Error("ERR_SHAPE", "Image index " + std::to_string(index) + " is outside the dataset.");
}

DrainResult drain(Dataset& dataset, uint64_t seed, uint32_t epoch, int64_t batch_size, const CancelToken& cancel) {
  if (batch_size < 1) throw Error("ERR_USAGE", "The batch size must be at least 1.");
  const auto start = std::chrono::steady_clock::now();
  cancel.check();
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
