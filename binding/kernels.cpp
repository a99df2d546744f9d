#include "kernels.h"

#include "errors.h"
#include "layer/conv/choice.h"
#include "read_values.h"

namespace earlybird {

Napi::Value set_kernels_js(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = object_argument(info, 0, "options");
    set_kernel_mode(string_in(options, "mode"));
    know(kernels_of(strings_in(options, "known")));
    return info.Env().Undefined();
  });
}

Napi::Value kernels_js(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Napi::Array out = Napi::Array::New(info.Env());
    for (const auto& [index, answer] : known_answers()) {
      Napi::Object times = Napi::Object::New(info.Env());
      for (const auto& [algorithm, milliseconds] : answer.times) times.Set(name_of(algorithm), milliseconds);
      Napi::Object item = Napi::Object::New(info.Env());
      item.Set("class", ShapeClass(index).name());
      item.Set("kernel", name_of(answer.algorithm));
      item.Set("milliseconds", times);
      out.Set(out.Length(), item);
    }
    return out;
  });
}

}  // namespace earlybird
