#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "napi_setup.h"

namespace earlybird {

class Job;

/// The state of one JavaScript environment (the main thread, or one worker): constructors, and the jobs it has started.
///
/// Rules that prevent crashes:
/// 1. Only the JavaScript thread makes and destroys Napi references, so it owns the jobs; the engine has raw pointers.
/// 2. The engine touches a job or this object only before `leave()` returns; the cleanup hook waits for that.
/// 3. The wake-up function keeps the process alive exactly while jobs are pending.
class Environment {
 public:
  explicit Environment(Napi::Env env);
  ~Environment();
  static Environment* of(Napi::Env env) { return env.GetInstanceData<Environment>(); }

  /// Takes ownership of a job and gives it to the engine.
  void start(std::unique_ptr<Job> job);

  // Called on the engine thread.
  void report_progress(Job* job);
  void leave(Job* job);

  Napi::FunctionReference error_class;
  Napi::FunctionReference model_class, dataset_class, trainer_class, meter_class, group_class;

 private:
  static void drain(napi_env env, napi_value, void* self, void*);
  void drain(Napi::Env env);
  void close();

  napi_env env_;
  napi_threadsafe_function wake_ = nullptr;
  std::unordered_map<Job*, std::unique_ptr<Job>> pending_;  // JavaScript thread only

  std::mutex mutex_;
  std::condition_variable left_;
  size_t on_engine_ = 0;
  bool closing_ = false;
  std::vector<Job*> finished_, progressed_;
};

/// Cancels every job of every environment and joins the engine: at process exit.
void shut_down();

}  // namespace earlybird
