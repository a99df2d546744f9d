#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <memory>
#include <optional>
#include <vector>

#include "data/pass.h"
#include "data/sampler.h"
#include "data/stream/slot_ring.h"
#include "data/stream/stream_state.h"

namespace earlybird {

/// One pass of a stream over a rank's share, from `start` on. On the CPU a batch is read from its slot; on a GPU the
/// next batch is copied while the current one is in use.
class StreamPass final : public Pass {
 public:
  StreamPass(StreamState& state, RankShare share, uint64_t seed, uint32_t epoch, int64_t most_bad,
             const CancelToken& cancel, PassStart start = {});
  ~StreamPass() override;

  int64_t steps() const override { return steps_; }
  int64_t batches() const override { return batches_; }
  bool advance() override;
  int64_t size() const override { return current_.size; }
  Batch batch() override;
  double waited() const override { return ring_->waited(); }
  const std::vector<BadImage>& bad() const override { return bad_; }
  void check_bad(int64_t count) const override;

 private:
  struct Staged {
    int64_t size = 0;  // images left in it
    size_t slot = 0;
    int buffer = 0;  // number of the buffer on a GPU
    std::vector<BadImage> bad;
  };

  bool stage(bool wait);
  void let_go();
  void close_gaps(const SlotRing::Filled& filled, Staged& out);
  void copy(const Staged& staged);
  void release_copied(bool wait);
  std::string named(const BadImage& image) const;

  StreamState& state_;
  std::vector<int64_t> order_;
  int64_t steps_, most_bad_;
  const CancelToken& cancel_;
  int64_t batches_, end_;
  std::vector<BadImage> bad_;
  Staged current_;
  bool holding_ = false;  // on the CPU: true while a slot is not released yet
  std::optional<Staged> staged_;

  struct Copies;  // only on a GPU
  std::unique_ptr<Copies> copies_;
  std::unique_ptr<SlotRing> ring_;  // last: its threads use all of the above
};

}  // namespace earlybird
