#pragma once

#include "core/failure.h"
#include "napi_setup.h"

namespace earlybird {

/// An instance of the TypeScript class EarlybirdError (a plain Error with the same fields before setErrorClass).
Napi::Error to_js_error(Napi::Env env, const Failure& failure);

/// Runs the body of a synchronous method: native errors become EarlybirdErrors.
template <typename Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, current_failure());
  }
}

/// Runs the body of a function or method that returns a promise: errors reject the promise instead of being thrown.
template <typename Body>
Napi::Value promise(Napi::Env env, Body&& body) {
  try {
    return guarded(env, body);
  } catch (const Napi::Error& error) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(error.Value());
    return deferred.Promise();
  }
}

}  // namespace earlybird
