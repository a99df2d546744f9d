#pragma once

#include "handle.h"
#include "train/evaluator.h"

namespace earlybird {

/// The handle of a model. It owns an Evaluator, which keeps its captured work from one evaluation to the next.
class ModelWrap : public Handle<ModelWrap, Evaluator> {
 public:
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);
  static Napi::Value wrap(Napi::Env env, std::shared_ptr<Network> network);

  std::shared_ptr<Network> network() const { return native()->network(); }

 private:
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value state_dict(const Napi::CallbackInfo& info);
  Napi::Value load_state_dict(const Napi::CallbackInfo& info);
  Napi::Value share(const Napi::CallbackInfo& info);
  Napi::Value reinitialise(const Napi::CallbackInfo& info);
  Napi::Value scores(const Napi::CallbackInfo& info);
  Napi::Value masks(const Napi::CallbackInfo& info);
  Napi::Value set_formats(const Napi::CallbackInfo& info);
  Napi::Value soft_prune(const Napi::CallbackInfo& info);
  Napi::Value plan(const Napi::CallbackInfo& info);
  Napi::Value prune(const Napi::CallbackInfo& info);
  Napi::Value choose_kernels(const Napi::CallbackInfo& info);
  Napi::Value time_widths(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value average(const Napi::CallbackInfo& info);
  Napi::Value estimate_norms(const Napi::CallbackInfo& info);
};

/// The network of a model handle; `name` names the argument in errors.
std::shared_ptr<Network> network_of(const Napi::Value& value, const char* name);

Napi::Value create_model_js(const Napi::CallbackInfo& info);
Napi::Value mask_overlap_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
