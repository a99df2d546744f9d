#include "data/sampler.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/philox.h"

namespace earlybird {

std::vector<int64_t> shuffled(int64_t count, uint64_t seed, uint32_t epoch) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = count - 1; i > 0; --i) {
    const Random4 random = philox(seed, Purpose::kShuffle, epoch, static_cast<uint64_t>(i));
    std::swap(order[i], order[below(random.word[0], static_cast<uint32_t>(i + 1))]);
  }
  return order;
}

Part part_of(int64_t images, int64_t rank, int64_t world_size) {
  const int64_t each = images / world_size, more = images % world_size;
  return {rank * each + std::min(rank, more), each + (rank < more ? 1 : 0)};
}

RankShare share_of(std::vector<int64_t> order, int64_t batch_size, int64_t from, int64_t rank, int64_t world_size) {
  const auto count = static_cast<int64_t>(order.size());
  const int64_t batches = (count + batch_size - 1) / batch_size;
  if (from < 0 || from > batches)
    throw Error("ERR_CHECKPOINT", "A position after " + std::to_string(from) + " batches does not fit an epoch of " +
                                      std::to_string(batches) + ".");
  RankShare out{{}, std::max<int64_t>(1, part_of(batch_size, rank, world_size).count), batches - from};
  // Behind a last batch that is not full, nothing is left and the difference is negative.
  out.order.reserve(std::max<int64_t>(0, count - from * batch_size) / world_size + 1);
  for (int64_t batch = from * batch_size; batch < count; batch += batch_size) {
    const Part part = part_of(std::min(batch_size, count - batch), rank, world_size);
    const auto first = order.begin() + batch + part.first;
    out.order.insert(out.order.end(), first, first + part.count);
  }
  return out;
}

}  // namespace earlybird
