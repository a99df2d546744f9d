// The few symbols of NVML that we need, declared from its documentation: https://docs.nvidia.com/deploy/nvml-api/. All
// constants are those of its header.
#include "energy/nvml.h"

#include <dlfcn.h>
#include <unistd.h>

#include <vector>

#include "core/error.h"

namespace earlybird {
namespace {

using Code = int;
constexpr Code kSuccess = 0, kInsufficientSize = 7, kFunctionNotFound = 13;

using Device = void*;

constexpr unsigned kPowerInstant = 186;  // NVML_FI_DEV_POWER_INSTANT, milliwatts
constexpr unsigned kGpuTemperature = 0;  // NVML_TEMPERATURE_GPU
constexpr unsigned kSmClock = 1, kMemoryClock = 2;
constexpr unsigned kMigEnabled = 1;

struct FieldValue {
  unsigned field, scope;
  long long timestamp, latency;
  unsigned type;
  Code code;
  union {
    double real;
    unsigned long long whole;
  } value;
};
static_assert(sizeof(FieldValue) == 40);

struct Process {
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance, compute_instance;
};
static_assert(sizeof(Process) == 24);

/// A value is one of several integer types, or a double (type 0).
double number_of(const FieldValue& field) {
  constexpr unsigned kDouble = 0, kUnsigned = 1;
  if (field.type == kDouble) return field.value.real;
  return static_cast<double>(field.type == kUnsigned ? static_cast<unsigned>(field.value.whole) : field.value.whole);
}

/// A function that this driver lacks gives the code that NVML returns for one that the GPU lacks.
template <typename... P, typename... A>
Code call(Code (*function)(P...), A... arguments) {
  return function ? function(arguments...) : kFunctionNotFound;
}

}  // namespace

struct NvmlGpu::Api {
  Code (*init)();
  Code (*shutdown)();
  const char* (*error_string)(Code);
  Code (*handle)(const char*, Device*);
  Code (*name)(Device, char*, unsigned);
  Code (*driver)(char*, unsigned);
  Code (*energy)(Device, unsigned long long*);
  Code (*fields)(Device, int, FieldValue*);
  Code (*power)(Device, unsigned*);
  Code (*mig)(Device, unsigned*, unsigned*);
  Code (*processes)(Device, unsigned*, Process*);
  Code (*temperature)(Device, unsigned, unsigned*);
  Code (*power_limit)(Device, unsigned*);
  Code (*clock)(Device, unsigned, unsigned*);
  Code (*max_clock)(Device, unsigned, unsigned*);

  explicit Api(void* library) {
    const auto find = [library](auto& function, const char* symbol) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, symbol));
    };
    find(init, "nvmlInit_v2");
    find(shutdown, "nvmlShutdown");
    find(error_string, "nvmlErrorString");
    find(handle, "nvmlDeviceGetHandleByPciBusId_v2");
    find(name, "nvmlDeviceGetName");
    find(driver, "nvmlSystemGetDriverVersion");
    find(energy, "nvmlDeviceGetTotalEnergyConsumption");
    find(fields, "nvmlDeviceGetFieldValues");
    find(power, "nvmlDeviceGetPowerUsage");
    find(mig, "nvmlDeviceGetMigMode");
    find(processes, "nvmlDeviceGetComputeRunningProcesses_v3");
    if (!processes) find(processes, "nvmlDeviceGetComputeRunningProcesses_v2");
    find(temperature, "nvmlDeviceGetTemperature");
    find(power_limit, "nvmlDeviceGetEnforcedPowerLimit");
    find(clock, "nvmlDeviceGetClockInfo");
    find(max_clock, "nvmlDeviceGetMaxClockInfo");
  }
};

NvmlGpu::NvmlGpu(const std::string& library, const std::string& pci_bus_id) : pci_bus_id_(pci_bus_id) {
  const std::string path = library.empty() ? kLibrary : library;
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    throw Error("ERR_ENERGY", "NVML cannot be opened (" + std::string(dlerror()) +
                                  "): it comes with NVIDIA's driver, and a container needs the driver's \"utility\" "
                                  "capability.");
  api_ = new Api(handle);
  if (!api_->init || !api_->handle)
    throw Error("ERR_ENERGY", path + " lacks nvmlInit_v2 or nvmlDeviceGetHandleByPciBusId_v2: update the driver.");
  if (const Code code = api_->init(); code != kSuccess)
    throw Error("ERR_ENERGY", "NVML does not start (" + text(code) + "): see whether nvidia-smi works.");
  if (const Code code = api_->handle(pci_bus_id.c_str(), &device_); code != kSuccess) {
    const std::string why = text(code);
    call(api_->shutdown);
    throw Error("ERR_ENERGY", "NVML knows no GPU at " + pci_bus_id + " (" + why + "): see nvidia-smi -L.");
  }
  char buffer[96] = "";
  name_ = call(api_->name, device_, static_cast<char*>(buffer), 96u) == kSuccess ? buffer : "GPU";
}

NvmlGpu::~NvmlGpu() { call(api_->shutdown); }

std::string NvmlGpu::text(int code) const {
  const char* known = api_->error_string ? api_->error_string(code) : nullptr;
  return known ? known : "NVML error " + std::to_string(code);
}

std::optional<double> NvmlGpu::joules(std::string& why) const {
  unsigned long long millijoules = 0;
  const Code code = call(api_->energy, device_, &millijoules);
  if (code == kSuccess) return static_cast<double>(millijoules) / 1e3;
  why = "the driver does not tell the energy counter (" + text(code) + ")";
  return std::nullopt;
}

std::optional<double> NvmlGpu::watts(PowerReading kind, std::string& why) const {
  Code code;
  if (kind == PowerReading::kInstant) {
    FieldValue field{};
    field.field = kPowerInstant;
    code = call(api_->fields, device_, 1, &field);
    if (code == kSuccess) code = field.code;
    if (code == kSuccess) return number_of(field) / 1e3;
  } else {
    unsigned milliwatts = 0;
    code = call(api_->power, device_, &milliwatts);
    if (code == kSuccess) return milliwatts / 1e3;
  }
  why = "the driver does not tell the power (" + text(code) + ")";
  return std::nullopt;
}

bool NvmlGpu::mig() const {
  unsigned current = 0, pending = 0;
  return call(api_->mig, device_, &current, &pending) == kSuccess && current == kMigEnabled;
}

int64_t NvmlGpu::other_processes() const {
  std::vector<Process> list(64);
  unsigned count = static_cast<unsigned>(list.size());
  Code code = call(api_->processes, device_, &count, list.data());
  if (code == kInsufficientSize) {
    list.resize(count + 64);
    count = static_cast<unsigned>(list.size());
    code = call(api_->processes, device_, &count, list.data());
  }
  if (code != kSuccess) return 0;
  int64_t others = 0;
  for (unsigned i = 0; i < count; ++i) others += list[i].pid != static_cast<unsigned>(getpid());
  return others;
}

GpuState NvmlGpu::state() const {
  const auto ask = [this](auto function, auto... arguments) -> std::optional<double> {
    unsigned value = 0;
    if (call(function, device_, arguments..., &value) != kSuccess) return std::nullopt;
    return value;
  };
  GpuState state;
  state.name = name_;
  state.pci_bus_id = pci_bus_id_;
  char driver[96] = "";
  if (call(api_->driver, static_cast<char*>(driver), 96u) == kSuccess) state.driver = driver;
  state.temperature_c = ask(api_->temperature, kGpuTemperature);
  state.power_limit_watts = ask(api_->power_limit);
  if (state.power_limit_watts) *state.power_limit_watts /= 1e3;
  state.sm_clock = ask(api_->clock, kSmClock);
  state.memory_clock = ask(api_->clock, kMemoryClock);
  state.max_sm_clock = ask(api_->max_clock, kSmClock);
  state.mig = mig();
  state.other_processes = other_processes();
  return state;
}

}  // namespace earlybird
