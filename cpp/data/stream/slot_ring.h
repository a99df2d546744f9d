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

/// Threads that fill batches of items ahead of their use, into a few slots of memory in rotation: batch b uses slot b
/// modulo their number. The threads never call ATen. The place of an item does not depend on thread or time.
class SlotRing {
 public:
  /// Makes item `item` (counted over all batches) at `out`, on thread `worker`. Returns the fault of the item, or "".
  /// An exception ends the pass.
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
    const std::vector<std::string>* reasons = nullptr;  // per item; empty for good ones
  };

  /// The next batch in order; waits for it if `wait`. False if there is none (yet). Throws ERR_ABORTED, and any
  /// exception of `make`.
  bool take(bool wait, const CancelToken& cancel, Filled& out);

  /// Returns the slot of the oldest batch that was taken and not yet released to the threads.
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
  void open_slots();  // call it with the lock
  void run(int worker);
  void stop();

  const size_t item_bytes_;
  const int64_t items_, batch_size_;
  const Make make_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable room_, filled_;
  int64_t next_item_ = 0;                       // the next one to make
  int64_t opened_ = 0, taken_ = 0, freed_ = 0;  // batches, in order
  bool stopping_ = false;
  std::exception_ptr failure_;
  double waited_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace earlybird
