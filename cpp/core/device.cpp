#include "core/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include "core/cuda_interface.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/team.h"

namespace earlybird {
namespace {

CudaInterface* cuda = nullptr;  // owned by the plugin, which is never closed

}  // namespace

bool has_bf16() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

Runtime runtime() {
  Runtime info{at::get_num_threads(),         at::get_cpu_capability(), has_bf16(),
               at::globalContext().hasCUDA(), cuda != nullptr,          {}};
  if (cuda)
    for (int i = 0; i < cuda->device_count(); ++i) info.cuda_devices.push_back(cuda->describe(i));
  return info;
}

std::string checked_device(const std::string& name) {
  if (name == "cpu") return name;
  if (name != "cuda" && name.rfind("cuda:", 0) != 0)
    throw Error("ERR_DEVICE", "Unknown device \"" + name + "\": use cpu, cuda or cuda:N.");
  if (!at::globalContext().hasCUDA())
    throw Error("ERR_DEVICE",
                "Device " + name +
                    " was asked for, but no CUDA device can be used with this LibTorch: run `earlybird doctor`.");
  if (!cuda)
    throw Error("ERR_DEVICE",
                "Device " + name + " was asked for, but the CUDA plugin is not loaded: run `earlybird doctor`.");
  int index = 0;
  if (name != "cuda") {
    const std::string digits = name.substr(5);
    if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos)
      throw Error("ERR_DEVICE", "Unknown device \"" + name + "\": use cpu, cuda or cuda:N.");
    index = std::stoi(digits);
  }
  if (index >= cuda->device_count())
    throw Error("ERR_DEVICE", "Device " + name + " was asked for, but there are " +
                                  std::to_string(cuda->device_count()) + " CUDA devices.");
  return "cuda:" + std::to_string(index);
}

GraphFactory graphs_of(const std::string& device) {
  if (device == "cpu") return {};
  return [index = at::Device(device).index()] { return cuda->graph(index < 0 ? 0 : index); };
}

std::function<void(DeviceBackend&)> collectives_of(const std::string& device) {
  if (device == "cpu") return {};
  return [](DeviceBackend& backend) { cuda->make_collectives(backend); };
}

std::string pci_bus_id(const std::string& device) {
  const c10::Device parsed(device);
  return parsed.is_cpu() ? "" : cuda->describe(parsed.index()).pci_bus_id;
}

void synchronise(const std::string& device) {
  const c10::Device parsed(device);
  if (!parsed.is_cpu()) c10::impl::VirtualGuardImpl(parsed.type()).synchronizeDevice(parsed.index());
}

void set_threads(int threads) {
  if (threads < 1) throw Error("ERR_USAGE", "The number of threads must be at least 1.");
  // OpenMP keeps the number per thread: runtime() reads the number of this thread, and the engine computes with its
  // own.
  at::set_num_threads(threads);
  Engine::instance().submit([threads] { at::set_num_threads(threads); });
}

void set_cudnn_search(bool on) {
  Engine::instance().submit([on] { at::globalContext().setBenchmarkCuDNN(on); });
}

void load_plugin(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw Error("ERR_NOT_BUILT", "The CUDA plugin " + path + " does not load: " + dlerror() + ".");
  auto entry = reinterpret_cast<CudaInterface* (*)()>(dlsym(handle, kCudaInterfaceSymbol));
  if (!entry) throw Error("ERR_NOT_BUILT", "The CUDA plugin " + path + " is of another version than the addon.");
  cuda = entry();
}

std::string loaded_libtorch() {
  // Asks the library and not our headers, so that a mismatch shows. Major, minor and patch are the three top bytes.
  auto entry = reinterpret_cast<uint64_t (*)()>(dlsym(RTLD_DEFAULT, "aoti_torch_abi_version"));
  if (!entry) return "";
  const uint64_t version = entry();
  return std::to_string(version >> 56) + "." + std::to_string(version >> 48 & 255) + "." +
         std::to_string(version >> 40 & 255);
}

void initialise_process() {
  // LibTorch's defaults on a GPU are neither exact fp32 nor repeatable (docs/architecture.md#fp32, #repeatable).
  auto& context = at::globalContext();
  context.setAllowTF32CuDNN(false);
  context.setAllowTF32CuBLAS(false);
  context.setDeterministicCuDNN(true);
  // Set before the engine's first parallel region, so that the threads of its team inherit it.
  Engine::instance().submit([] {
    at::globalContext().setFlushDenormal(true);
    fix_team_size();
  });
}

}  // namespace earlybird
