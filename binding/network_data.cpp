#include "network_data.h"

#include <map>

#include "core/error.h"
#include "read_values.h"

namespace earlybird {
namespace {

using Kind = LayerData::Kind;

Kind kind_in(const Napi::Object& object) {
  static const auto* kinds = new std::map<std::string, Kind>{
      {"conv", Kind::kConv},       {"batchnorm", Kind::kBatchNorm}, {"relu", Kind::kRelu},
      {"maxpool", Kind::kMaxPool}, {"avgpool", Kind::kAvgPool},     {"linear", Kind::kLinear},
      {"add", Kind::kAdd},         {"concat", Kind::kConcat},       {"select", Kind::kSelect},
  };
  const std::string kind = string_in(object, "kind");
  const auto found = kinds->find(kind);
  if (found == kinds->end()) throw Error("ERR_USAGE", "There is no layer of kind \"" + kind + "\".");
  return found->second;
}

int64_t size_in(const Napi::Object& object, const char* name, int64_t otherwise) {
  const int64_t size = integer_in(object, name, otherwise);
  if (size < 0 || size > 65536) throw Error("ERR_USAGE", std::string("\"") + name + "\" must be from 0 to 65536.");
  return size;
}

LayerData layer_in(const Napi::Object& object) {
  LayerData layer{kind_in(object), string_in(object, "name"), {}};
  const Napi::Value inputs = object.Get("inputs");
  if (!inputs.IsArray()) throw Error("ERR_USAGE", "\"inputs\" must be a list of names.");
  const auto list = inputs.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) layer.inputs.push_back(list.Get(i).ToString().Utf8Value());
  // "classes" of the last layer is 0 in LayerData.
  if (!object.Get("out").IsString()) layer.out = size_in(object, "out", 0);
  layer.kernel = size_in(object, "kernel", 0);
  layer.stride = size_in(object, "stride", 1);
  layer.padding = size_in(object, "padding", 0);
  layer.groups = size_in(object, "groups", 1);
  layer.depthwise = boolean_in(object, "depthwise", false);
  layer.bias = boolean_in(object, "bias", false);
  layer.functional = boolean_in(object, "functional", false);
  if (!object.Get("max").IsUndefined()) layer.max = number_in(object, "max");
  const bool slides = layer.kind == Kind::kConv || layer.kind == Kind::kMaxPool;
  if (slides && (layer.kernel < 1 || layer.stride < 1 || layer.groups < 1))
    throw Error("ERR_USAGE", "\"kernel\", \"stride\" and \"groups\" must be at least 1.");
  return layer;
}

Napi::Value json(Napi::Env env, const char* function, const Napi::Value& value) {
  const auto json = env.Global().Get("JSON").As<Napi::Object>();
  return json.Get(function).As<Napi::Function>().Call(json, {value});
}

}  // namespace

std::shared_ptr<const NetworkData> network_data_in(const Napi::Object& object, const char* name) {
  if (!object.Get(name).IsObject()) return nullptr;
  const Napi::Object given = object_in(object, name);
  auto out = std::make_shared<NetworkData>();
  out->text = json(object.Env(), "stringify", given).ToString().Utf8Value();
  out->name = string_in(given, "name");
  out->image_size = size_in(given, "imageSize", out->image_size);
  if (!given.Get("gamma").IsUndefined()) out->gamma = number_in(given, "gamma");
  if (!given.Get("linearDeviation").IsUndefined()) out->linear_deviation = number_in(given, "linearDeviation");
  const Napi::Value layers = given.Get("layers");
  if (!layers.IsArray()) throw Error("ERR_USAGE", "\"layers\" must be a list of layers.");
  const auto list = layers.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    if (!list.Get(i).IsObject()) throw Error("ERR_USAGE", "\"layers\" must be a list of layers.");
    out->layers.push_back(layer_in(list.Get(i).As<Napi::Object>()));
  }
  return out;
}

Napi::Value to_js(Napi::Env env, const NetworkData& network) {
  return json(env, "parse", Napi::String::New(env, network.text));
}

}  // namespace earlybird
