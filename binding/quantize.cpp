#include "quantize.h"

#include "core/device.h"
#include "core/error.h"
#include "errors.h"
#include "job.h"
#include "quant/host_block_float.h"
#include "quant/host_mx.h"
#include "read_options.h"
#include "read_values.h"
#include "to_js.h"

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

HostMxRounding mx_rounding_of(const Napi::Object& object) {
  HostMxRounding rounding;
  rounding.rule.format = &mx_format(string_in(object, "format"));
  rounding.rule.scale = mx_scale_in(object);
  rounding.rule.rounding = mx_rounding_in(object, "rounding");
  rounding.rule.dim = integer_in(object, "dim", 0);
  rounding.rule.groups = integer_in(object, "groups", 1);
  rounding.seed = static_cast<uint64_t>(integer_in(object, "seed", 1));
  rounding.epoch = part_in(object, "epoch");
  rounding.step = part_in(object, "step");
  rounding.lane = part_in(object, "lane");
  rounding.plain = boolean_in(object, "plain", false);
  if (object.Has("device")) rounding.device = string_in(object, "device");
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

Napi::Value mx_quantize_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    std::vector<Napi::Value> held;
    const HostTensor values = tensor_of(info[0], "values", held);
    HostMxRounding rounding = mx_rounding_of(object_argument(info, 1, "options"));
    return Job::start(
        info.Env(),
        [values, rounding](Job&) mutable -> Job::Finish {
          rounding.device = checked_device(rounding.device);
          return [out = mx_quantize_on_host(values, rounding)](Napi::Env env) {
            Napi::Object object = Napi::Object::New(env);
            object.Set("scale", to_js(env, out.scale));
            object.Set("codes", to_js(env, out.codes));
            object.Set("values", to_js(env, out.values));
            object.Set("tensorScale", out.tensor_scale);
            return object;
          };
        },
        {}, held);
  });
}

Napi::Value mx_convolution_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    std::vector<Napi::Value> held;
    const HostTensor x = tensor_of(info[0], "x", held), w = tensor_of(info[1], "w", held),
                     dy = tensor_of(info[2], "dy", held);
    const Napi::Object options = object_argument(info, 3, "options");
    const HostMxRounding rounding = mx_rounding_of(options);
    const MxConvShape shape{integer_in(options, "stride", 1), integer_in(options, "padding", 0),
                            integer_in(options, "groups", 1)};
    return Job::start(
        info.Env(),
        [x, w, dy, shape, rounding](Job&) -> Job::Finish {
          return [out = mx_convolution_on_host(x, w, dy, shape, rounding)](Napi::Env env) {
            Napi::Object object = Napi::Object::New(env);
            object.Set("y", to_js(env, out[0]));
            object.Set("dx", to_js(env, out[1]));
            object.Set("dw", to_js(env, out[2]));
            return object;
          };
        },
        {}, held);
  });
}

}  // namespace earlybird
