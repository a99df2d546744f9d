#include "environment.h"

#include <algorithm>
#include <set>

#include "core/engine.h"
#include "energy/energy_sampler.h"
#include "job.h"

namespace earlybird {
namespace {

/// Tokens of all jobs of the process. Leaked, because it may be used during exit.
struct Registry {
  std::mutex mutex;
  std::set<JobToken*> tokens;
  bool closed = false;

  static Registry& instance() {
    static auto* registry = new Registry();
    return *registry;
  }
};

}  // namespace

void shut_down() {
  Registry& registry = Registry::instance();
  {
    std::lock_guard lock(registry.mutex);
    registry.closed = true;
    for (JobToken* token : registry.tokens) token->stop(StopReason::kExit);
  }
  Engine::instance().stop();
  EnergySampler::instance().stop();
}

Environment::Environment(Napi::Env env) : env_(env) {
  const napi_value name = Napi::String::New(env, "earlybird jobs");
  napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, &Environment::drain,
                                  &wake_);
  napi_unref_threadsafe_function(env, wake_);
  // Added after the threadsafe function, so it runs before that function is torn down.
  napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<Environment*>(self)->close(); }, this);
}

Environment::~Environment() = default;

void Environment::start(std::unique_ptr<Job> owned) {
  Job* job = owned.get();
  if (pending_.empty()) napi_ref_threadsafe_function(env_, wake_);
  pending_.emplace(job, std::move(owned));
  {
    std::lock_guard lock(mutex_);
    ++on_engine_;
  }
  Registry& registry = Registry::instance();
  {
    std::lock_guard lock(registry.mutex);
    registry.tokens.insert(job->token.get());
    if (registry.closed) job->token->stop(StopReason::kExit);
  }
  const bool accepted = Engine::instance().submit(
      [this, job] {
        job->run();
        leave(job);
      },
      this);
  if (!accepted) {
    job->token->stop(StopReason::kExit);
    job->run();  // ends at once: the token is set
    leave(job);
  }
}

void Environment::report_progress(Job* job) {
  std::lock_guard lock(mutex_);
  if (closing_ || std::find(progressed_.begin(), progressed_.end(), job) != progressed_.end()) return;
  progressed_.push_back(job);
  napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

void Environment::leave(Job* job) {
  {
    Registry& registry = Registry::instance();
    std::lock_guard lock(registry.mutex);
    registry.tokens.erase(job->token.get());
  }
  std::lock_guard lock(mutex_);
  finished_.push_back(job);
  if (!closing_) napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
  --on_engine_;
  left_.notify_all();
}

void Environment::drain(napi_env env, napi_value, void* self, void*) {
  if (env) static_cast<Environment*>(self)->drain(Napi::Env(env));
}

void Environment::drain(Napi::Env env) {
  std::vector<Job*> progressed, finished;
  {
    std::lock_guard lock(mutex_);
    progressed.swap(progressed_);
    finished.swap(finished_);
  }
  const Napi::HandleScope scope(env);
  for (Job* job : progressed) job->call_progress(env);
  for (Job* job : finished) {
    const auto owned = std::move(pending_.at(job));
    pending_.erase(job);
    if (pending_.empty()) napi_unref_threadsafe_function(env_, wake_);
    owned->settle(env);
  }
}

void Environment::close() {
  for (auto& [job, owned] : pending_) job->token->stop(StopReason::kExit);
  std::unique_lock lock(mutex_);
  closing_ = true;
  // Jobs that wait for those of other threads never begin.
  on_engine_ -= Engine::instance().take_back(this);
  left_.wait(lock, [this] { return on_engine_ == 0; });
  lock.unlock();
  {
    Registry& registry = Registry::instance();
    std::lock_guard held(registry.mutex);
    for (auto& [job, owned] : pending_) registry.tokens.erase(job->token.get());
  }
  pending_.clear();
  error_class.Reset();
  model_class.Reset();
  dataset_class.Reset();
  trainer_class.Reset();
  meter_class.Reset();
  group_class.Reset();
  napi_release_threadsafe_function(wake_, napi_tsfn_abort);
}

}  // namespace earlybird
