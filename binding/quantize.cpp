#include "quantize.h"

#include "convert.h"
#include "core/device.h"
#include "core/error.h"
#include "errors.h"
#include "job.h"
#include "quant/host_block_float.h"

namespace earlybird {
namespace {

uint32_t part_in(const Napi::Object& object, const char* field) {
  const int64_t value = integer_in(object, field, 0);
  if (value < 0 || value > UINT32_MAX)
    throw Error("ERR_USAGE", std::string("\"") + field + "\" must be from 0 to 4294967295.");
  return static_cast<uint32_t>(value);
}

HostRounding rounding_of(const Napi::Object& object) {
  HostRounding rounding;
  rounding.format.bits = integer_in(object, "bits");
  rounding.format.dim = integer_in(object, "dim");
  rounding.format.rounding = rounding_in(object);
  rounding.format.flavour = flavour_in(object);
  rounding.device = string_in(object, "device");
  rounding.seed = static_cast<uint64_t>(integer_in(object, "seed"));
  rounding.epoch = part_in(object, "epoch");
  rounding.step = part_in(object, "step");
  rounding.lane = part_in(object, "lane");
  rounding.plain = boolean_in(object, "plain", false);
  return rounding;
}

}  // namespace

Napi::Value block_quantize_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    std::vector<Napi::Value> held;
    const HostTensor values = tensor_of(info[0], "values", held);
    HostRounding rounding = rounding_of(object_argument(info, 1, "options"));
    return Job::start(
        info.Env(),
        [values, rounding](Job&) mutable -> Job::Finish {
          rounding.device = checked_device(rounding.device);
          return [out = block_quantize_on_host(values, rounding)](Napi::Env env) { return to_js(env, out); };
        },
        {}, held);
  });
}

}  // namespace earlybird
