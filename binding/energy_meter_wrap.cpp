#include "energy_meter_wrap.h"

#include <cmath>

#include "core/device.h"
#include "energy/nvml.h"
#include "environment.h"
#include "read_values.h"

namespace earlybird {
namespace {

const char* name_of(EnergyPart part) {
  switch (part) {
    case EnergyPart::kGpu:
      return "gpu";
    case EnergyPart::kCpu:
      return "cpu";
    case EnergyPart::kDram:
      return "dram";
    default:
      return "given";
  }
}

Napi::Value name_or_null(Napi::Env env, std::optional<EnergyMethod> method) {
  if (!method) return env.Null();
  const bool counter = *method == EnergyMethod::kCounter;
  return Napi::String::New(env, counter ? "counter" : *method == EnergyMethod::kSampled ? "sampled" : "estimated");
}

Napi::Value number_or_null(Napi::Env env, std::optional<double> value) {
  return value ? Napi::Number::New(env, *value).As<Napi::Value>() : env.Null();
}

Napi::Value to_js(Napi::Env env, const std::vector<EnergySourceInfo>& list) {
  Napi::Array out = Napi::Array::New(env, list.size());
  for (uint32_t i = 0; i < list.size(); ++i) {
    const EnergySourceInfo& info = list[i];
    Napi::Array notes = Napi::Array::New(env, info.notes.size());
    for (uint32_t k = 0; k < info.notes.size(); ++k) notes.Set(k, info.notes[k]);
    Napi::Object row = Napi::Object::New(env);
    row.Set("part", name_of(info.part));
    row.Set("method", name_or_null(env, info.method));
    row.Set("name", info.name);
    if (!info.reason.empty()) row.Set("reason", info.reason);
    row.Set("notes", notes);
    out.Set(i, row);
  }
  return out;
}

Napi::Value to_js(Napi::Env env, const EnergyReading& reading) {
  Napi::Array parts = Napi::Array::New(env, reading.parts.size());
  for (uint32_t i = 0; i < reading.parts.size(); ++i) {
    const EnergyValue& value = reading.parts[i];
    Napi::Object row = Napi::Object::New(env);
    row.Set("part", name_of(value.part));
    row.Set("joules", number_or_null(env, value.joules));
    row.Set("method", name_or_null(env, value.method));
    if (!value.reason.empty()) row.Set("reason", value.reason);
    parts.Set(i, row);
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", reading.name);
  out.Set("seconds", reading.seconds);
  out.Set("joules", number_or_null(env, reading.joules));
  out.Set("parts", parts);
  return out;
}

Napi::Value to_js(Napi::Env env, const GpuState& state) {
  Napi::Object clocks = Napi::Object::New(env);
  clocks.Set("sm", number_or_null(env, state.sm_clock));
  clocks.Set("memory", number_or_null(env, state.memory_clock));
  clocks.Set("maxSm", number_or_null(env, state.max_sm_clock));
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", state.name);
  out.Set("pciBusId", state.pci_bus_id);
  out.Set("driver", state.driver);
  out.Set("temperatureC", number_or_null(env, state.temperature_c));
  out.Set("powerLimitWatts", number_or_null(env, state.power_limit_watts));
  out.Set("clocks", clocks);
  out.Set("mig", state.mig);
  out.Set("otherProcesses", static_cast<double>(state.other_processes));
  return out;
}

std::string string_or_empty(const Napi::Object& object, const char* name) {
  return object.Get(name).IsUndefined() ? "" : string_in(object, name);
}

std::string window_name(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Error("ERR_USAGE", "An energy window needs a name.");
  return info[0].As<Napi::String>().Utf8Value();
}

}  // namespace

Napi::Function EnergyMeterWrap::define(Napi::Env env) {
  Properties properties = {
      InstanceMethod<&EnergyMeterWrap::sources>("sources"),
      InstanceMethod<&EnergyMeterWrap::begin>("begin"),
      InstanceMethod<&EnergyMeterWrap::end>("end"),
  };
  add_common(env, properties);
  return DefineClass(env, "EnergyMeter", properties);
}

Napi::Value EnergyMeterWrap::sources(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return to_js(info.Env(), native()->meter.sources()); });
}

Napi::Value EnergyMeterWrap::begin(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    return start(info.Env(), [meter = native(), name = window_name(info)](Job&) -> Job::Finish {
      synchronise(meter->device);
      meter->meter.begin(name);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value EnergyMeterWrap::end(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    return start(info.Env(), [meter = native(), name = window_name(info)](Job&) -> Job::Finish {
      synchronise(meter->device);
      return [reading = meter->meter.end(name)](Napi::Env env) { return to_js(env, reading); };
    });
  });
}

Napi::Value create_meter_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object object = object_argument(info, 0, "options");
    std::string device = string_in(object, "device");
    EnergyMeterOptions options;
    options.pci_bus_id = string_or_empty(object, "pciBusId");
    options.nvml = string_or_empty(object, "nvml");
    options.powercap = string_or_empty(object, "powercap");
    if (!object.Get("watts").IsUndefined()) {
      options.watts = number_in(object, "watts");
      if (!std::isfinite(*options.watts) || *options.watts <= 0)
        throw Error("ERR_USAGE", "\"watts\" must be a number above 0.");
    }
    return Job::start(info.Env(), [device, options](Job&) mutable -> Job::Finish {
      device = checked_device(device);
      if (options.pci_bus_id.empty()) options.pci_bus_id = pci_bus_id(device);
      return [meter = std::make_shared<DeviceMeter>(device, options)](Napi::Env env) {
        return EnergyMeterWrap::create(Environment::of(env)->meter_class, meter);
      };
    });
  });
}

Napi::Value gpu_state_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    if (!info[0].IsString()) throw Error("ERR_USAGE", "\"device\" must be a string.");
    std::string library, bus_id;
    if (info[1].IsObject()) {
      library = string_or_empty(info[1].As<Napi::Object>(), "nvml");
      bus_id = string_or_empty(info[1].As<Napi::Object>(), "pciBusId");
    }
    return Job::start(info.Env(),
                      [device = info[0].As<Napi::String>().Utf8Value(), library, bus_id](Job&) mutable -> Job::Finish {
                        device = checked_device(device);
                        if (bus_id.empty()) bus_id = pci_bus_id(device);
                        if (bus_id.empty()) throw Error("ERR_DEVICE", "Device cpu is not a GPU: use cuda or cuda:N.");
                        return [state = NvmlGpu(library, bus_id).state()](Napi::Env env) { return to_js(env, state); };
                      });
  });
}

}  // namespace earlybird
