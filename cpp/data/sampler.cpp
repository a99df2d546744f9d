#include "data/sampler.h"

#include <numeric>
#include <utility>

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

std::vector<int64_t> share_of(const std::vector<int64_t>& order, int64_t rank, int64_t world_size, bool padded) {
  const auto count = static_cast<int64_t>(order.size());
  const int64_t end = padded ? (count + world_size - 1) / world_size * world_size : count;
  std::vector<int64_t> out;
  out.reserve(end / world_size + 1);
  for (int64_t i = rank; i < end; i += world_size) out.push_back(order[i % count]);
  return out;
}

}  // namespace earlybird
