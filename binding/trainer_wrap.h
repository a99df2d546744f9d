#pragma once

#include "handle.h"
#include "train/trainer.h"

namespace earlybird {

class TrainerWrap : public Handle<TrainerWrap, Trainer> {
 public:
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value epoch(const Napi::CallbackInfo& info);
  Napi::Value position(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value snapshot(const Napi::CallbackInfo& info);
  Napi::Value restore_momentum(const Napi::CallbackInfo& info);
  Napi::Value share(const Napi::CallbackInfo& info);
};

Napi::Value create_trainer_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
