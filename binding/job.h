#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/cancel.h"
#include "core/failure.h"
#include "napi_setup.h"
#include "train/pass_result.h"

namespace earlybird {

class Environment;

enum class StopReason { kNone, kAborted, kDisposed, kExit };

/// A cancel token that remembers the first reason.
class JobToken : public CancelToken {
 public:
  void stop(StopReason reason) {
    StopReason none = StopReason::kNone;
    reason_.compare_exchange_strong(none, reason);
    cancel();
  }
  StopReason reason() const { return reason_.load(); }

 private:
  std::atomic<StopReason> reason_{StopReason::kNone};
};

/// One native call. `work` runs on the engine thread with converted arguments; the function it returns makes the
/// JavaScript value.
class Job {
 public:
  using Finish = std::function<Napi::Value(Napi::Env)>;
  using Work = std::function<Finish(Job&)>;

  /// `options` may have `signal` (AbortSignal) and `onProgress`, or be empty. `held` keeps JavaScript memory alive that
  /// `work` reads. `tokens` gets the job's token, for a handle that may be disposed while the job runs.
  static Napi::Promise start(Napi::Env env, Work work, const Napi::Value& options = {},
                             std::vector<Napi::Value> held = {},
                             std::vector<std::weak_ptr<JobToken>>* tokens = nullptr);

  const std::shared_ptr<JobToken> token = std::make_shared<JobToken>();

  /// The callback for the native side; empty if nobody listens.
  ProgressCallback progress();

 private:
  friend class Environment;
  explicit Job(Napi::Env env);

  void listen(Napi::Env env, const Napi::Object& options);
  void run();                         // engine thread
  void call_progress(Napi::Env env);  // JavaScript thread
  void settle(Napi::Env env);         // JavaScript thread
  Napi::Value failure_value(Napi::Env env);

  Environment& environment_;
  Napi::Promise::Deferred deferred_;
  Work work_;
  Finish finish_;
  std::optional<Failure> failure_;
  std::vector<Napi::ObjectReference> held_;
  Napi::ObjectReference signal_;
  std::optional<Napi::Error> thrown_;
  Napi::FunctionReference on_abort_, on_progress_;
  std::mutex mutex_;
  std::optional<Progress> latest_;
};

}  // namespace earlybird
