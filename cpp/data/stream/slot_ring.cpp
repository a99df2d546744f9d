#include "data/stream/slot_ring.h"

#include <chrono>

#include "core/error.h"

namespace earlybird {
namespace {

/// Interval at which a waiting pass checks for cancellation.
constexpr auto kCancelCheck = std::chrono::milliseconds(20);

}  // namespace

SlotRing::SlotRing(std::vector<uint8_t*> slots, size_t item_bytes, int64_t items, int64_t batch_size, int workers,
                   Make make)
    : item_bytes_(item_bytes), items_(items), batch_size_(batch_size), make_(std::move(make)), slots_(slots.size()) {
  for (size_t i = 0; i < slots.size(); ++i) slots_[i].data = slots[i];
  open_slots();
  try {
    for (int worker = 0; worker < workers; ++worker) threads_.emplace_back([this, worker] { run(worker); });
  } catch (const std::exception& error) {
    stop();
    throw Error("ERR_OUT_OF_MEMORY", "The " + std::to_string(workers) +
                                         " threads that decode images cannot all be started: lower --workers.");
  }
}

SlotRing::~SlotRing() { stop(); }

void SlotRing::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

int64_t SlotRing::size_of(int64_t batch) const { return std::min(batch_size_, items_ - batch * batch_size_); }

void SlotRing::open_slots() {
  for (; opened_ < batches() && opened_ < freed_ + static_cast<int64_t>(slots_.size()); ++opened_) {
    Slot& slot = slots_[opened_ % slots_.size()];
    slot.missing = size_of(opened_);
    slot.reasons.assign(slot.missing, {});
  }
}

void SlotRing::run(int worker) {
  std::unique_lock lock(mutex_);
  while (true) {
    room_.wait(lock, [this] { return stopping_ || next_item_ == items_ || next_item_ < opened_ * batch_size_; });
    if (stopping_ || next_item_ == items_) return;
    const int64_t item = next_item_++, batch = item / batch_size_, place = item % batch_size_;
    Slot& slot = slots_[batch % slots_.size()];
    lock.unlock();
    std::string reason;
    try {
      reason = make_(worker, item, slot.data + static_cast<size_t>(place) * item_bytes_);
    } catch (...) {
      lock.lock();
      failure_ = std::current_exception();
      stopping_ = true;
      room_.notify_all();
      filled_.notify_one();
      return;
    }
    lock.lock();
    if (!reason.empty()) slot.reasons[place] = std::move(reason);
    if (--slot.missing == 0) filled_.notify_one();
  }
}

bool SlotRing::take(bool wait, const CancelToken& cancel, Filled& out) {
  if (taken_ == batches()) return false;
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return failure_ || (taken_ < opened_ && slots_[taken_ % slots_.size()].missing == 0); };
  if (!ready()) {
    if (!wait) return false;
    const auto start = std::chrono::steady_clock::now();
    while (!filled_.wait_for(lock, kCancelCheck, ready)) cancel.check();
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  if (failure_) std::rethrow_exception(failure_);
  const size_t slot = taken_ % slots_.size();
  out = {taken_, taken_ * batch_size_, size_of(taken_), slot, &slots_[slot].reasons};
  ++taken_;
  return true;
}

void SlotRing::release() {
  {
    std::lock_guard lock(mutex_);
    ++freed_;
    open_slots();
  }
  room_.notify_all();
}

}  // namespace earlybird
