#include "core/engine.h"

#include <utility>

namespace earlybird {

Engine& Engine::instance() {
  static auto* engine = new Engine();
  return *engine;
}

Engine::Engine() : thread_([this] { run(); }) {}

bool Engine::submit(std::function<void()> work, const void* owner) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
    queue_.push_back({std::move(work), owner});
  }
  wake_.notify_one();
  return true;
}

size_t Engine::take_back(const void* owner) {
  std::lock_guard lock(mutex_);
  return std::erase_if(queue_, [owner](const Item& item) { return item.owner == owner; });
}

void Engine::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  std::lock_guard lock(join_mutex_);
  // libgomp ends the process from the engine thread when it cannot start the threads it was asked for.
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
}

void Engine::run() {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      work = std::move(queue_.front().work);
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace earlybird
