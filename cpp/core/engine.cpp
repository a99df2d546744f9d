#include "core/engine.h"

#include <utility>

namespace earlybird {

Engine& Engine::instance() {
  static auto* engine = new Engine();
  return *engine;
}

Engine::Engine() : thread_([this] { run(); }) {}

bool Engine::submit(std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
  return true;
}

void Engine::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  std::lock_guard lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

void Engine::run() {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) break;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
  std::deque<std::function<void()>> dropped;
  std::lock_guard lock(mutex_);
  dropped.swap(queue_);
}

}  // namespace earlybird
