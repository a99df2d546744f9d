#include "data/stream/stream_pass.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "core/error.h"
#include "core/ops.h"

namespace earlybird {

/// Copies slots to the GPU on a stream of their own, into two alternating buffers. Events mark when a copy has arrived
/// and when the step that uses it has ended. Uses c10's device-neutral interface, because the addon links no CUDA.
struct StreamPass::Copies {
  explicit Copies(at::Device device)
      : guard(device.type()),
        device(device),
        stream(guard.getStreamFromGlobalPool(device)),
        arrived{c10::Event(device.type()), c10::Event(device.type())},
        used{c10::Event(device.type()), c10::Event(device.type())} {}

  c10::Stream compute() const { return guard.getStream(device); }

  c10::impl::VirtualGuardImpl guard;
  at::Device device;
  c10::Stream stream;
  c10::Event arrived[2], used[2];
  int next = 0;               // buffer of the next copy
  std::deque<int> on_way;     // buffers whose slots are not released yet, oldest first
  bool current_used = false;  // true while there is a current batch
};

StreamPass::StreamPass(StreamState& state, RankShare share, uint64_t seed, uint32_t epoch, int64_t most_bad,
                       const CancelToken& cancel, PassStart start)
    : state_(state),
      order_(std::move(share.order)),
      steps_(share.batches),
      most_bad_(most_bad),
      cancel_(cancel),
      batches_(start.batches),
      end_(start.batches + share.batches) {
  // Rank 0 reports the images that were bad before the start.
  if (state_.spec.rank == 0) bad_ = std::move(start.bad);
  const auto items = static_cast<int64_t>(order_.size()), batch_size = share.batch_size;
  state_.reserve((items + batch_size - 1) / batch_size, batch_size);
  if (!state_.device.is_cpu()) {
    copies_ = std::make_unique<Copies>(state_.device);
    // The buffers may have memory that earlier work of the computing stream still uses.
    for (c10::Event& used : copies_->used) used.record(copies_->compute());
  }
  std::vector<uint8_t*> slots;
  for (int64_t i = 0; i < state_.slots.size(0); ++i) slots.push_back(state_.slots[i].data_ptr<uint8_t>());
  const size_t bytes = static_cast<size_t>(state_.slots.stride(1));
  ring_ =
      std::make_unique<SlotRing>(std::move(slots), bytes, items, batch_size, static_cast<int>(state_.readers.size()),
                                 [this, seed, epoch](int worker, int64_t item, uint8_t* out) {
                                   return state_.readers[worker]->read(order_[item], seed, epoch, out);
                                 });
}

StreamPass::~StreamPass() {
  ring_.reset();
  // The next pass uses the slots and buffers again.
  if (copies_)
    for (const int buffer : copies_->on_way) copies_->arrived[buffer].synchronize();
}

bool StreamPass::advance() {
  if (copies_ && copies_->current_used) {
    copies_->used[current_.buffer].record(copies_->compute());
    copies_->current_used = false;
  }
  let_go();
  do {
    if (copies_) release_copied(/*wait=*/false);
    if (!staged_ && !stage(/*wait=*/true)) {
      current_ = {};
      // The last batch may have images of other ranks only.
      if (batches_ == end_) return false;
      ++batches_;
      return true;
    }
    current_ = *std::move(staged_);
    staged_.reset();
    ++batches_;
    bad_.insert(bad_.end(), current_.bad.begin(), current_.bad.end());
    // A pass of ranks is checked once all of them have said how many they have.
    if (state_.spec.world_size == 1) check_bad(static_cast<int64_t>(bad_.size()));
  } while (current_.size == 0 && state_.spec.world_size == 1);
  if (copies_) {
    copies_->arrived[current_.buffer].block(copies_->compute());
    copies_->current_used = true;
    stage(/*wait=*/false);
  }
  return true;
}

/// Releases the slot of the last batch: on the CPU it is free as soon as its batch was made.
void StreamPass::let_go() {
  if (holding_) ring_->release();
  holding_ = false;
}

/// Takes the next filled slot, and on a GPU starts its copy.
bool StreamPass::stage(bool wait) {
  SlotRing::Filled filled;
  if (!ring_->take(/*wait=*/false, cancel_, filled)) {
    if (!wait) return false;
    // Releases slots whose copies have arrived, so that the threads can fill them.
    if (copies_) release_copied(/*wait=*/true);
    if (!ring_->take(/*wait=*/true, cancel_, filled)) return false;
  }
  Staged out;
  out.slot = filled.slot;
  close_gaps(filled, out);
  if (copies_) {
    copy(out);
    out.buffer = copies_->next;
    copies_->on_way.push_back(out.buffer);
    copies_->next ^= 1;
  } else {
    holding_ = true;
    if (out.size == 0) let_go();
  }
  staged_ = std::move(out);
  return true;
}

/// Closes the gaps that bad images leave in a slot, and writes the labels.
void StreamPass::close_gaps(const SlotRing::Filled& filled, Staged& out) {
  const size_t bytes = static_cast<size_t>(state_.slots.stride(1));
  auto* images = state_.slots[filled.slot].data_ptr<uint8_t>();
  auto* labels = state_.slot_labels[filled.slot].data_ptr<int64_t>();
  for (int64_t i = 0; i < filled.size; ++i) {
    const int64_t index = order_[filled.first + i];
    const std::string& reason = (*filled.reasons)[i];
    if (!reason.empty()) {
      out.bad.push_back({index, reason});
      continue;
    }
    if (i != out.size) std::memcpy(images + out.size * bytes, images + i * bytes, bytes);
    labels[out.size++] = state_.spec.labels[index];
  }
}

void StreamPass::copy(const Staged& staged) {
  const int buffer = copies_->next;
  const c10::StreamGuard on(copies_->stream);
  copies_->used[buffer].block(copies_->stream);
  if (staged.size > 0) {
    state_.pixels[buffer].narrow(0, 0, staged.size).copy_(state_.slots[staged.slot].narrow(0, 0, staged.size), true);
    state_.targets[buffer]
        .narrow(0, 0, staged.size)
        .copy_(state_.slot_labels[staged.slot].narrow(0, 0, staged.size), true);
  }
  copies_->arrived[buffer].record(copies_->stream);
}

void StreamPass::release_copied(bool wait) {
  while (!copies_->on_way.empty()) {
    c10::Event& arrived = copies_->arrived[copies_->on_way.front()];
    if (wait) arrived.synchronize();
    if (!arrived.query()) return;
    copies_->on_way.pop_front();
    ring_->release();
  }
}

void StreamPass::check_bad(int64_t count) const {
  if (count <= most_bad_) return;
  // A rank may have none of them. Of those of one batch, the first that is too many is named.
  const auto own = static_cast<int64_t>(bad_.size());
  const std::string last = own == 0 ? "An image of another rank does not decode"
                                    : named(bad_[std::clamp<int64_t>(own - count + most_bad_, 0, own - 1)]);
  throw Error("ERR_DATASET", last + ". " + (most_bad_ == 0 ? "No image" : "No more than " + std::to_string(most_bad_)) +
                                 " may fail to decode in one pass: repair the files, or raise --max-bad.");
}

std::string StreamPass::named(const BadImage& image) const {
  // A checkpoint may name images that this dataset does not have.
  const bool is_here = image.index >= 0 && image.index < static_cast<int64_t>(state_.spec.labels.size());
  return (is_here ? state_.files.name(image.index) : "Image " + std::to_string(image.index)) + ": " + image.reason;
}

Batch StreamPass::batch() {
  at::NoGradGuard no_grad;
  if (copies_)
    return {pixels_to_input(state_.pixels[current_.buffer].narrow(0, 0, current_.size), state_.table),
            state_.targets[current_.buffer].narrow(0, 0, current_.size)};
  Batch out = {pixels_to_input(state_.slots[current_.slot].narrow(0, 0, current_.size), state_.table),
               state_.slot_labels[current_.slot].narrow(0, 0, current_.size).clone()};
  let_go();
  return out;
}

}  // namespace earlybird
