#include "group_wrap.h"

#include "core/device.h"
#include "environment.h"
#include "read_values.h"

namespace earlybird {

std::shared_ptr<Ranks> ranks_in(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return nullptr;
  return GroupWrap::of(value, Environment::of(object.Env())->group_class, name)->native();
}

Napi::Value join_ranks_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object object = object_argument(info, 0, "options");
    GroupOptions options;
    options.size = static_cast<int>(integer_in(object, "size"));
    options.rank = static_cast<int>(integer_in(object, "rank"));
    if (options.size < 1 || options.rank < 0 || options.rank >= options.size)
      throw Error("ERR_USAGE", "\"rank\" must be from 0 to \"size\" - 1.");
    options.host = string_in(object, "host");
    options.port = static_cast<int>(integer_in(object, "port"));
    if (options.port < 1 || options.port > 65535) throw Error("ERR_USAGE", "\"port\" must be from 1 to 65535.");
    options.serves = boolean_in(object, "serves", false);
    options.prefix = string_in(object, "prefix");
    options.name = string_in(object, "name");
    options.address = string_in(object, "address");
    options.timeout = std::chrono::milliseconds(integer_in(object, "timeoutMs"));
    options.bf16_gradients = boolean_in(object, "bf16Gradients", false);
    options.device_backend = collectives_of(checked_device(string_in(object, "device")));
    return Job::start(info.Env(), [options](Job&) -> Job::Finish {
      return [group = std::make_shared<Group>(options)](Napi::Env env) {
        return GroupWrap::create(Environment::of(env)->group_class, group);
      };
    });
  });
}

Napi::Function GroupWrap::define(Napi::Env env) {
  Properties properties = {
      InstanceMethod<&GroupWrap::set>("set"),         InstanceMethod<&GroupWrap::get>("get"),
      InstanceMethod<&GroupWrap::gather>("gather"),   InstanceMethod<&GroupWrap::close>("close"),
      InstanceMethod<&GroupWrap::traffic>("traffic"), InstanceMethod<&GroupWrap::flight_record>("flightRecord"),
  };
  add_common(env, properties);
  return DefineClass(env, "Group", properties);
}

Napi::Value GroupWrap::set(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const std::string key = info[0].ToString(), value = info[1].ToString();
    return start(info.Env(), [group = native(), key, value](Job&) -> Job::Finish {
      group->set(key, value);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value GroupWrap::get(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const std::string key = info[0].ToString();
    const std::chrono::milliseconds wait(info[1].ToNumber().Int64Value());
    return start(info.Env(), [group = native(), key, wait](Job&) -> Job::Finish {
      return [value = group->get(key, wait)](Napi::Env env) {
        return value ? Napi::String::New(env, *value).As<Napi::Value>() : env.Null();
      };
    });
  });
}

Napi::Value GroupWrap::gather(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const std::string text = info[0].ToString(), what = info[1].ToString();
    return start(info.Env(), [group = native(), text, what](Job&) -> Job::Finish {
      return [texts = group->gather(text, what)](Napi::Env env) -> Napi::Value {
        Napi::Array out = Napi::Array::New(env, texts.size());
        for (uint32_t i = 0; i < texts.size(); ++i) out.Set(i, texts[i]);
        return out;
      };
    });
  });
}

Napi::Value GroupWrap::close(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    return start(info.Env(), [group = native()](Job&) -> Job::Finish {
      group->close();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value GroupWrap::traffic(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    return start(info.Env(), [group = native()](Job&) -> Job::Finish {
      return [traffic = group->traffic()](Napi::Env env) -> Napi::Value {
        Napi::Object out = Napi::Object::New(env);
        out.Set("waited", traffic.waited);
        out.Set("bytes", static_cast<double>(traffic.bytes));
        return out;
      };
    });
  });
}

Napi::Value GroupWrap::flight_record(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return Napi::String::New(info.Env(), native()->flight_record()); });
}

}  // namespace earlybird
