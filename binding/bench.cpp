#include "bench.h"

#include "convert.h"
#include "core/device.h"
#include "core/error.h"
#include "errors.h"
#include "job.h"
#include "quant/host_block_float.h"
#include "bench/kernel_times.h"

namespace earlybird {
namespace {

uint32_t part_in(const Napi::Object& object, const char* field) {
  const int64_t value = integer_in(object, field, 0);
  if (value < 0 || value > UINT32_MAX)
    throw Error("ERR_USAGE", std::string("\"") + field + "\" must be from 0 to 4294967295.");
  return static_cast<uint32_t>(value);
}

HostRounding rounding_of(const Napi::Object& object) {
  HostRounding wish;
  wish.format.bits = integer_in(object, "bits");
  wish.format.dim = integer_in(object, "dim");
  wish.format.rounding = rounding_in(object);
  wish.format.flavour = flavour_in(object);
  wish.device = string_in(object, "device");
  wish.seed = static_cast<uint64_t>(integer_in(object, "seed"));
  wish.epoch = part_in(object, "epoch");
  wish.step = part_in(object, "step");
  wish.lane = part_in(object, "lane");
  wish.plain = boolean_in(object, "plain", false);
  return wish;
}

Napi::Value to_js(Napi::Env env, const std::vector<KernelTime>& times) {
  Napi::Array out = Napi::Array::New(env, times.size());
  for (uint32_t i = 0; i < times.size(); ++i) {
    const KernelTime& time = times[i];
    Napi::Array shape = Napi::Array::New(env, time.shape.size());
    for (uint32_t k = 0; k < time.shape.size(); ++k) shape.Set(k, static_cast<double>(time.shape[k]));
    Napi::Object row = Napi::Object::New(env);
    row.Set("kernel", time.kernel);
    row.Set("name", time.name);
    row.Set("shape", shape);
    row.Set("bytes", time.bytes);
    row.Set("median", time.median);
    row.Set("low", time.low);
    row.Set("high", time.high);
    out.Set(i, row);
  }
  return out;
}

}  // namespace

Napi::Value block_quantize_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    std::vector<Napi::Value> held;
    const HostTensor values = tensor_of(info[0], "values", held);
    HostRounding wish = rounding_of(object_argument(info, 1, "options"));
    return Job::start(
        info.Env(),
        [values, wish](Job&) mutable -> Job::Finish {
          wish.device = checked_device(wish.device);
          return [out = block_quantize_on_host(values, wish)](Napi::Env env) { return earlybird::to_js(env, out); };
        },
        {}, held);
  });
}

Napi::Value bench_kernels_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const std::string device = string_in(options, "device");
    const int64_t bits = integer_in(options, "bits"), repetitions = integer_in(options, "repetitions");
    if (repetitions < 1) throw Error("ERR_USAGE", "\"repetitions\" must be at least 1.");
    return Job::start(
        info.Env(),
        [device, bits, repetitions](Job& job) -> Job::Finish {
          return [times = time_kernels(checked_device(device), bits, repetitions, *job.token)](Napi::Env env) {
            return to_js(env, times);
          };
        },
        options);
  });
}

Napi::Value bench_ceilings_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const std::string device = string_in(options, "device");
    const int64_t bytes = integer_in(options, "copyBytes"), side = integer_in(options, "side"),
                  repetitions = integer_in(options, "repetitions");
    if (bytes < 1 || side < 1 || repetitions < 1)
      throw Error("ERR_USAGE", "\"copyBytes\", \"side\" and \"repetitions\" must be at least 1.");
    return Job::start(
        info.Env(),
        [device, bytes, side, repetitions](Job& job) -> Job::Finish {
          return [times = time_ceilings(checked_device(device), bytes, side, repetitions, *job.token)](Napi::Env env) {
            return to_js(env, times);
          };
        },
        options);
  });
}

}  // namespace earlybird
