#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "errors.h"
#include "job.h"

namespace earlybird {

/// A JavaScript object that owns a native one, with `dispose()`, `Symbol.dispose` and `disposed`. Jobs share the native
/// object, so disposing while one runs is safe: the job is cancelled, and the memory is freed when it ends.
template <class Wrap, class Native>
class Handle : public Napi::ObjectWrap<Wrap> {
 public:
  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Wrap>(info) {
    if (info.Length() != 1 || !info[0].IsExternal())
      throw Napi::TypeError::New(info.Env(), "Handles are made by the create functions of the addon.");
    native_ = *info[0].As<Napi::External<std::shared_ptr<Native>>>().Data();
  }

  static Napi::Value create(const Napi::FunctionReference& constructor, std::shared_ptr<Native> native) {
    return constructor.New({Napi::External<std::shared_ptr<Native>>::New(constructor.Env(), &native)});
  }

  /// Throws ERR_DISPOSED after dispose().
  std::shared_ptr<Native> native() const {
    if (!native_) throw Error("ERR_DISPOSED", "The handle was disposed: create a new one.");
    return native_;
  }

  static Wrap* of(const Napi::Value& value, const Napi::FunctionReference& constructor, const char* name) {
    if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(constructor.Value()))
      throw Error("ERR_USAGE", std::string("\"") + name + "\" must be a handle of the right kind.");
    return Wrap::Unwrap(value.As<Napi::Object>());
  }

 protected:
  using Properties = std::vector<Napi::ClassPropertyDescriptor<Wrap>>;

  /// The methods that every handle has.
  static void add_common(Napi::Env env, Properties& properties) {
    properties.push_back(Wrap::InstanceMethod("dispose", &Wrap::dispose));
    properties.push_back(Wrap::InstanceAccessor("disposed", &Wrap::disposed, nullptr));
    const Napi::Value symbol = env.Global().Get("Symbol").As<Napi::Object>().Get("dispose");
    if (symbol.IsSymbol()) properties.push_back(Wrap::InstanceMethod(symbol.As<Napi::Symbol>(), &Wrap::dispose));
  }

  Napi::Promise start(Napi::Env env, Job::Work work, const Napi::Value& options = {},
                      std::vector<Napi::Value> held = {}) {
    std::erase_if(tokens_, [](const auto& token) { return token.expired(); });
    return Job::start(env, std::move(work), options, std::move(held), &tokens_);
  }

 public:
  Napi::Value dispose(const Napi::CallbackInfo& info) {
    native_.reset();
    for (const auto& weak : tokens_)
      if (const auto token = weak.lock()) token->stop(StopReason::kDisposed);
    tokens_.clear();
    return info.Env().Undefined();
  }

  Napi::Value disposed(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), !native_); }

 private:
  std::shared_ptr<Native> native_;
  std::vector<std::weak_ptr<JobToken>> tokens_;
};

}  // namespace earlybird
