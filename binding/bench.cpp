#include "bench.h"

#include "bench/kernel_times.h"
#include "core/device.h"
#include "core/error.h"
#include "errors.h"
#include "job.h"
#include "read_values.h"

namespace earlybird {
namespace {

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

Napi::Value bench_kernels_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const std::string device = string_in(options, "device");
    const int64_t bits = integer_in(options, "bits"), repetitions = integer_in(options, "repetitions");
    if (repetitions < 1) throw Error("ERR_USAGE", "\"repetitions\" must be at least 1.");
    const MxFormat* format = options.Get("format").IsUndefined() ? nullptr : &mx_format(string_in(options, "format"));
    return Job::start(
        info.Env(),
        [device, bits, format, repetitions](Job& job) -> Job::Finish {
          return [times = time_kernels(checked_device(device), bits, format, repetitions, *job.token)](Napi::Env env) {
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
