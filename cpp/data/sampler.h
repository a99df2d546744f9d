#pragma once

#include <cstdint>
#include <vector>

namespace earlybird {

/// The order in which an epoch visits the images: a Philox-keyed shuffle.
std::vector<int64_t> shuffled(int64_t count, uint64_t seed, uint32_t epoch);

/// A rank's part of a sequence that all ranks share out: its first index and its length. Parts are as equal as can be,
/// the first ones larger.
struct Part {
  int64_t first, count;
};
Part part_of(int64_t images, int64_t rank, int64_t world_size);

/// One rank's work in a pass. Every rank has as many batches; where there are few images, some of a rank are empty.
struct RankShare {
  std::vector<int64_t> order;  // indexes of its images
  int64_t batch_size = 1;      // images of its full batches
  int64_t batches = 0;
};

/// A rank's part of each batch of an order, from batch number `from` on: each image goes to one rank, whatever their
/// number. Throws ERR_CHECKPOINT where the order has fewer batches.
RankShare share_of(std::vector<int64_t> order, int64_t batch_size, int64_t from = 0, int64_t rank = 0,
                   int64_t world_size = 1);

}  // namespace earlybird
