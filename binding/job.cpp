#include "job.h"

#include "environment.h"
#include "errors.h"

namespace earlybird {

Job::Job(Napi::Env env) : environment_(*Environment::of(env)), deferred_(Napi::Promise::Deferred::New(env)) {}

Napi::Promise Job::start(Napi::Env env, Work work, const Napi::Value& options, std::vector<Napi::Value> held,
                         std::vector<std::weak_ptr<JobToken>>* tokens) {
  std::unique_ptr<Job> job(new Job(env));
  if (tokens) tokens->push_back(job->token);
  job->work_ = std::move(work);
  for (const Napi::Value& value : held) job->held_.push_back(Napi::Persistent(value.As<Napi::Object>()));
  if (!options.IsEmpty() && options.IsObject()) job->listen(env, options.As<Napi::Object>());
  const Napi::Promise promise = job->deferred_.Promise();
  Environment::of(env)->start(std::move(job));
  return promise;
}

void Job::listen(Napi::Env env, const Napi::Object& options) {
  if (const Napi::Value callback = options.Get("onProgress"); callback.IsFunction())
    on_progress_ = Napi::Persistent(callback.As<Napi::Function>());
  const Napi::Value signal = options.Get("signal");
  if (!signal.IsObject()) return;
  signal_ = Napi::Persistent(signal.As<Napi::Object>());
  if (signal_.Get("aborted").ToBoolean()) {
    token->stop(StopReason::kAborted);
    return;
  }
  const auto abort =
      Napi::Function::New(env, [kept = token](const Napi::CallbackInfo&) { kept->stop(StopReason::kAborted); });
  on_abort_ = Napi::Persistent(abort);
  signal_.Get("addEventListener").As<Napi::Function>().Call(signal_.Value(), {Napi::String::New(env, "abort"), abort});
}

ProgressCallback Job::progress() {
  if (on_progress_.IsEmpty()) return {};
  return [this](const Progress& progress) {
    {
      std::lock_guard lock(mutex_);
      latest_ = progress;  // a slow listener gets only the newest
    }
    environment_.report_progress(this);
  };
}

void Job::run() {
  try {
    // Work that was aborted before it began reports that itself: a rank must first tell the others.
    if (token->reason() != StopReason::kAborted) token->check();
    finish_ = work_(*this);
  } catch (...) {
    failure_ = current_failure();
  }
  work_ = nullptr;
}

void Job::call_progress(Napi::Env env) {
  std::optional<Progress> progress;
  {
    std::lock_guard lock(mutex_);
    progress.swap(latest_);
  }
  if (!progress || thrown_) return;
  try {
    const auto number_or_null = [env](const std::optional<double>& value) {
      return value ? Napi::Number::New(env, *value).As<Napi::Value>() : env.Null();
    };
    Napi::Object out = Napi::Object::New(env);
    out.Set("step", static_cast<double>(progress->step));
    out.Set("steps", static_cast<double>(progress->steps));
    out.Set("images", static_cast<double>(progress->images));
    out.Set("seconds", progress->seconds);
    out.Set("loss", number_or_null(progress->loss));
    out.Set("top1", number_or_null(progress->top1));
    on_progress_.Call({out});
  } catch (const Napi::Error& error) {
    // A listener that throws ends its job, which then rejects with that value, whatever it is.
    thrown_ = error;
    token->stop(StopReason::kAborted);
  }
}

Napi::Value Job::failure_value(Napi::Env env) {
  if (thrown_) return thrown_->Value();
  if (failure_->code == "ERR_ABORTED") {
    if (token->reason() == StopReason::kAborted && !signal_.IsEmpty() && signal_.Get("aborted").ToBoolean())
      return signal_.Get("reason");
    if (token->reason() == StopReason::kDisposed)
      return to_js_error(env, {"ERR_DISPOSED", "The handle was disposed while this was running.", ""}).Value();
  }
  return to_js_error(env, *failure_).Value();
}

void Job::settle(Napi::Env env) {
  try {
    if (!on_abort_.IsEmpty())
      signal_.Get("removeEventListener")
          .As<Napi::Function>()
          .Call(signal_.Value(), {Napi::String::New(env, "abort"), on_abort_.Value()});
    if (!failure_ && !thrown_) {
      try {
        deferred_.Resolve(finish_(env));
        return;
      } catch (const Napi::Error&) {
        throw;
      } catch (...) {
        failure_ = current_failure();
      }
    }
    deferred_.Reject(failure_value(env));
  } catch (const Napi::Error& error) {
    try {
      deferred_.Reject(error.Value());
    } catch (const Napi::Error&) {
      // The environment is being torn down: nobody can be told.
    }
  }
}

}  // namespace earlybird
