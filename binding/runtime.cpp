#include "runtime.h"

#include <cstdlib>

#include "core/device.h"
#include "core/host_memory.h"
#include "core/host_tensor.h"
#include "data/stream/jpeg_decoder.h"
#include "environment.h"
#include "errors.h"

namespace earlybird {

void prepare_process() {
  static const bool first_in_process = [] {
    install_host_allocator();
    initialise_process();
    // process.exit() in a worker's parent and fatal errors reach exit() without any JavaScript handler.
    std::atexit(shut_down);
    return true;
  }();
  (void)first_in_process;
}

Napi::Value runtime_js(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Runtime runtime = earlybird::runtime();
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("threads", runtime.threads);
    out.Set("cpuCapability", runtime.cpu_capability);
    out.Set("bf16", runtime.bf16);
    out.Set("cudaBuilt", runtime.cuda_built);
    out.Set("cudaPlugin", runtime.cuda_plugin);
    out.Set("jpeg", jpeg_plugin_version());
    Napi::Array devices = Napi::Array::New(info.Env());
    for (const CudaDevice& device : runtime.cuda_devices) {
      Napi::Object item = Napi::Object::New(info.Env());
      item.Set("index", device.index);
      item.Set("name", device.name);
      item.Set("memoryBytes", static_cast<double>(device.memory_bytes));
      item.Set("capability", device.capability);
      item.Set("pciBusId", device.pci_bus_id);
      devices.Set(devices.Length(), item);
    }
    out.Set("cudaDevices", devices);
    return out;
  });
}

Napi::Value dtypes_js(Napi::Env env) {
  Napi::Object table = Napi::Object::New(env);
  for (const DtypeRow& row : kDtypes) table.Set(row.name, static_cast<double>(row.bytes));
  return table;
}

}  // namespace earlybird
