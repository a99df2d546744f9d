#include "errors.h"

#include "environment.h"

namespace earlybird {

Napi::Error to_js_error(Napi::Env env, const Failure& failure) {
  Environment* environment = Environment::of(env);
  if (environment && !environment->error_class.IsEmpty()) {
    const Napi::Value detail =
        failure.detail.empty() ? env.Undefined() : Napi::String::New(env, failure.detail).As<Napi::Value>();
    const Napi::Object error = environment->error_class.New(
        {Napi::String::New(env, failure.code), Napi::String::New(env, failure.message), detail});
    return Napi::Error(env, error);
  }
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, failure.code));
  return error;
}

}  // namespace earlybird
