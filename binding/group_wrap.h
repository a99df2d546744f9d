#pragma once

#include "dist/group.h"
#include "handle.h"

namespace earlybird {

class GroupWrap : public Handle<GroupWrap, Group> {
 public:
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value set(const Napi::CallbackInfo& info);
  Napi::Value get(const Napi::CallbackInfo& info);
  Napi::Value gather(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value traffic(const Napi::CallbackInfo& info);
  Napi::Value flight_record(const Napi::CallbackInfo& info);
};

/// The group of a handle that a field may have; null where it is absent.
std::shared_ptr<Ranks> ranks_in(const Napi::Object& object, const char* name);

Napi::Value join_ranks_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
