#include "energy/energy_sampler.h"

#include <chrono>
#include <utility>

namespace earlybird {

EnergySampler& EnergySampler::instance() {
  static auto* sampler = new EnergySampler();
  return *sampler;
}

void EnergySampler::watch(const void* key, std::function<void()> poll) {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  watched_[key] = std::move(poll);
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_one();
}

void EnergySampler::unwatch(const void* key) {
  std::lock_guard lock(mutex_);
  watched_.erase(key);
}

void EnergySampler::stop() {
  std::thread thread;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    watched_.clear();
    thread.swap(thread_);
  }
  wake_.notify_one();
  if (thread.joinable()) thread.join();
}

void EnergySampler::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (watched_.empty()) {
      wake_.wait(lock);
      continue;
    }
    for (auto& [key, poll] : watched_) poll();
    wake_.wait_for(lock, std::chrono::milliseconds(100), [this] { return stopping_; });
  }
}

}  // namespace earlybird
