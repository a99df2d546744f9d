#pragma once

#include "handle.h"
#include "model/model.h"

namespace earlybird {

class ModelWrap : public Handle<ModelWrap, Network> {
 public:
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value state_dict(const Napi::CallbackInfo& info);
  Napi::Value load_state_dict(const Napi::CallbackInfo& info);
  Napi::Value reinitialise(const Napi::CallbackInfo& info);
  Napi::Value masks(const Napi::CallbackInfo& info);
  Napi::Value prune(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value average(const Napi::CallbackInfo& info);
  Napi::Value estimate_norms(const Napi::CallbackInfo& info);
};

}  // namespace earlybird
