#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/cancel.h"

namespace earlybird {

/// Threads that fill batches of items ahead of their use, into a few slots of memory that go round: batch b lies in
/// slot b modulo their number. Plain C++: these threads never call ATen. Whichever thread makes an item, and when, its
/// place is the same.
class SlotRing {
 public:
  /// Makes item `item` (counted through all batches) at `out`, on thread `worker`; returns why not, or "". What it
  /// throws ends the pass.
  using Make = std::function<std::string(int worker, int64_t item, uint8_t* out)>;

  SlotRing(std::vector<uint8_t*> slots, size_t item_bytes, int64_t items, int64_t batch_size, int workers, Make make);
  /// Stops and joins all threads, within the time of one item.
  ~SlotRing();
  SlotRing(const SlotRing&) = delete;
  SlotRing& operator=(const SlotRing&) = delete;

  int64_t batches() const { return (items_ + batch_size_ - 1) / batch_size_; }

  struct Filled {
    int64_t batch = 0, first = 0, size = 0;  // number, first item, items
    size_t slot = 0;
    const std::vector<std::string>* reasons = nullptr;  // of each item; empty for the good ones
  };

  /// The next batch in order. It waits for it if `wait` says so; false where there is none (yet). Throws ERR_ABORTED,
  /// and what `make` threw.
  bool take(bool wait, const CancelToken& cancel, Filled& out);

  /// Gives the slot of the oldest batch that was taken and not yet released back to the threads.
  void release();

  /// Seconds spent waiting in `take`.
  double waited() const { return waited_; }

 private:
  struct Slot {
    uint8_t* data = nullptr;
    int64_t missing = 0;  // items not made yet
    std::vector<std::string> reasons;
  };

  int64_t size_of(int64_t batch) const;
  void open_slots();  // with the lock
  void run(int worker);
  void stop();

  const size_t item_bytes_;
  const int64_t items_, batch_size_;
  const Make make_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable room_, filled_;
  int64_t next_item_ = 0;                       // to be made
  int64_t opened_ = 0, taken_ = 0, freed_ = 0;  // batches, in order
  bool stopping_ = false;
  std::exception_ptr failure_;
  double waited_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace earlybird
