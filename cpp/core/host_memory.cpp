#include "core/host_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace earlybird {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kCachedFrom = size_t{256} << 10;  // smaller blocks are not cached

/// Stored in the 64 bytes before the data.
struct Header {
  void* base;
  size_t requested;
  size_t capacity;  // 0: not cached
};
static_assert(sizeof(Header) <= kAlignment);

class HostAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes ? take(bytes) : nullptr;
    return {data, data, &HostAllocator::release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &HostAllocator::release; }
  void copy_data(void* to, const void* from, std::size_t count) const override { default_copy_data(to, from, count); }

  size_t live() const { return live_.load(std::memory_order_relaxed); }

  void empty() {
    std::lock_guard lock(mutex_);
    for (auto& [capacity, blocks] : free_)
      for (Header* header : blocks) std::free(header->base);
    free_.clear();
  }

  static HostAllocator& instance() {
    static auto* allocator = new HostAllocator();
    return *allocator;
  }

 private:
  static Header* header_of(void* data) { return reinterpret_cast<Header*>(static_cast<char*>(data) - kAlignment); }

  void* take(size_t bytes) {
    Header* header = bytes < kCachedFrom ? fresh(bytes, 0) : cached(bytes);
    header->requested = bytes;
    live_.fetch_add(bytes, std::memory_order_relaxed);
    return reinterpret_cast<char*>(header) + kAlignment;
  }

  Header* cached(size_t bytes) {
    const size_t grain = bytes < kHugePage ? size_t{64} << 10 : size_t{512} << 10;
    const size_t capacity = (bytes + grain - 1) / grain * grain;
    {
      std::lock_guard lock(mutex_);
      // The smallest block that is large enough, unless more than half of it would lie idle.
      if (auto found = free_.lower_bound(capacity); found != free_.end() && found->first <= 2 * capacity) {
        Header* header = found->second.back();
        found->second.pop_back();
        if (found->second.empty()) free_.erase(found);
        return header;
      }
    }
    return fresh(capacity, capacity);
  }

  Header* fresh(size_t bytes, size_t capacity) {
    // Blocks of one size would otherwise all start at the same cache set; shifting each by some lines spreads them.
    const size_t shift = capacity ? kAlignment * (colour_.fetch_add(7, std::memory_order_relaxed) % 32) : 0;
    const size_t total = bytes + kAlignment + shift;
    const bool huge = total >= kHugePage;
    void* base = nullptr;
    if (posix_memalign(&base, huge ? kHugePage : kAlignment, total) != 0 || !base) {
      empty();
      if (posix_memalign(&base, huge ? kHugePage : kAlignment, total) != 0 || !base) throw std::bad_alloc();
    }
    if (huge) madvise(base, total, MADV_HUGEPAGE);  // advice only: fails harmlessly where the kernel has no huge pages
    auto* header = reinterpret_cast<Header*>(static_cast<char*>(base) + shift);
    header->base = base;
    header->capacity = capacity;
    return header;
  }

  static void release(void* data) {
    if (!data) return;
    HostAllocator& self = instance();
    Header* header = header_of(data);
    self.live_.fetch_sub(header->requested, std::memory_order_relaxed);
    if (header->capacity == 0) {
      std::free(header->base);
      return;
    }
    std::lock_guard lock(self.mutex_);
    self.free_[header->capacity].push_back(header);
  }

  std::atomic<size_t> live_{0};
  std::atomic<size_t> colour_{0};
  std::mutex mutex_;
  std::map<size_t, std::vector<Header*>> free_;
};

}  // namespace

void install_host_allocator() { c10::SetCPUAllocator(&HostAllocator::instance(), /*priority=*/100); }

size_t host_bytes() { return HostAllocator::instance().live(); }

void empty_host_cache() { HostAllocator::instance().empty(); }

}  // namespace earlybird
