#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <memory>
#include <optional>
#include <vector>

#include "data/stream/jpeg_stream.h"
#include "data/pass.h"
#include "data/stream/slot_ring.h"

namespace earlybird {

/// What a stream keeps from pass to pass, so that memory stays flat.
struct JpegStream::State {
  explicit State(StreamSpec from);

  StreamSpec spec;
  ImageFiles files;
  std::vector<std::unique_ptr<ImageReader>> readers;  // one for each worker
  at::Device device;
  at::Tensor table;                  // float32 (3, 256), on the device
  at::Tensor slots;                  // uint8 (slots, B, size, size, 3) on the host, pinned for a GPU
  at::Tensor slot_labels;            // int64 (slots, B), likewise
  at::Tensor pixels[2], targets[2];  // copies of two slots on a GPU: one is used while the other is filled

  /// Makes slots for this many batches of this size, unless there are some.
  void reserve(int64_t batches, int64_t batch_size);
};

/// One pass of a stream over `order`. On the CPU a batch is read from its slot; on a GPU the next batch is copied, on a
/// stream of its own, while the current one is computed with.
class StreamPass final : public Pass {
 public:
  StreamPass(JpegStream::State& state, std::vector<int64_t> order, uint64_t seed, uint32_t epoch, int64_t batch_size,
             int64_t most_bad, const CancelToken& cancel);
  ~StreamPass() override;

  int64_t steps() const override { return ring_->batches(); }
  bool advance() override;
  int64_t size() const override { return current_.size; }
  Batch batch() override;
  double waited() const override { return ring_->waited(); }
  const std::vector<BadImage>& bad() const override { return bad_; }

 private:
  struct Staged {
    int64_t size = 0;  // images left in it
    size_t slot = 0;
    int buffer = 0;  // on a GPU
    std::vector<BadImage> bad;
  };

  bool stage(bool wait);
  void let_go();
  void close_gaps(const SlotRing::Filled& filled, Staged& out);
  void copy(const Staged& staged);
  void release_copied(bool wait);
  void account(const Staged& staged);

  JpegStream::State& state_;
  std::vector<int64_t> order_;
  int64_t most_bad_;
  const CancelToken& cancel_;
  std::vector<BadImage> bad_;
  Staged current_;
  bool holding_ = false;  // a slot that is not released yet, on the CPU
  std::optional<Staged> staged_;

  struct Copies;  // what a GPU needs
  std::unique_ptr<Copies> copies_;
  std::unique_ptr<SlotRing> ring_;  // last: its threads use all of the above
};

}  // namespace earlybird
