#pragma once

#include "energy/energy_meter.h"
#include "handle.h"

namespace earlybird {

/// A meter, and the device that must be idle at the start and end of its windows.
struct DeviceMeter {
  DeviceMeter(std::string device, const EnergyMeterOptions& options)
      : device(std::move(device)), meter(energy_sources(options), options.watts) {}
  const std::string device;
  EnergyMeter meter;
};

class EnergyMeterWrap : public Handle<EnergyMeterWrap, DeviceMeter> {
 public:
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value sources(const Napi::CallbackInfo& info);
  Napi::Value begin(const Napi::CallbackInfo& info);
  Napi::Value end(const Napi::CallbackInfo& info);
};

Napi::Value create_meter_js(const Napi::CallbackInfo& info);
Napi::Value gpu_state_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
