// Converts the description of a network to JavaScript.
#include "network_data.h"
#include "to_js.h"

namespace earlybird {
namespace {

Napi::Array cfg_to_js(Napi::Env env, const Cfg& cfg) {
  Napi::Array out = Napi::Array::New(env, cfg.size());
  for (size_t i = 0; i < cfg.size(); ++i) {
    const auto position = static_cast<uint32_t>(i);
    if (cfg[i] == kPool)
      out.Set(position, "M");
    else
      out.Set(position, static_cast<double>(cfg[i]));
  }
  return out;
}

Napi::Object layer_to_js(Napi::Env env, const LayerInfo& layer) {
  using Kind = LayerInfo::Kind;
  Napi::Object out = Napi::Object::New(env);
  const auto number = [&out](const char* name, int64_t value) { out.Set(name, static_cast<double>(value)); };
  const char* kind = layer.kind == Kind::kConv        ? "conv"
                     : layer.kind == Kind::kLinear    ? "linear"
                     : layer.kind == Kind::kBatchNorm ? "batchnorm"
                     : layer.kind == Kind::kRelu      ? "relu"
                     : layer.kind == Kind::kMaxPool   ? "maxpool"
                                                      : "avgpool";
  out.Set("kind", kind);
  out.Set("key", layer.key);
  if (layer.kind == Kind::kConv || layer.kind == Kind::kLinear) {
    number("in", layer.in);
    number("out", layer.out);
    out.Set("bias", layer.bias);
  } else {
    number("channels", layer.out);
  }
  if (layer.kind == Kind::kConv) number("groups", layer.groups);
  if (layer.kind == Kind::kConv || layer.kind == Kind::kMaxPool || layer.kind == Kind::kAvgPool)
    number("kernel", layer.kernel);
  if (layer.kind != Kind::kLinear) {
    number("height", layer.height);
    number("width", layer.width);
  }
  return out;
}

Napi::Object node_to_js(Napi::Env env, const GraphNode& node) {
  using Op = GraphNode::Op;
  Napi::Object out = Napi::Object::New(env);
  const char* op = node.op == Op::kConv        ? "conv"
                   : node.op == Op::kLinear    ? "linear"
                   : node.op == Op::kBatchNorm ? "batchnorm"
                   : node.op == Op::kRelu      ? "relu"
                   : node.op == Op::kMaxPool   ? "maxpool"
                   : node.op == Op::kAvgPool   ? "avgpool"
                   : node.op == Op::kAdd       ? "add"
                   : node.op == Op::kConcat    ? "concat"
                                               : "select";
  out.Set("op", op);
  out.Set("key", node.key);
  Napi::Array inputs = Napi::Array::New(env);
  for (const int64_t input : node.inputs) inputs.Set(inputs.Length(), static_cast<double>(input));
  out.Set("inputs", inputs);
  const bool windows = node.op == Op::kConv || node.op == Op::kMaxPool || node.op == Op::kAvgPool;
  if (windows) {
    out.Set("kernel", static_cast<double>(node.kernel));
    out.Set("stride", static_cast<double>(node.stride));
    out.Set("padding", static_cast<double>(node.padding));
  }
  if (node.op == Op::kConv) out.Set("groups", static_cast<double>(node.groups));
  if (node.op == Op::kBatchNorm) out.Set("eps", node.eps);
  if (node.max > 0) out.Set("max", node.max);
  return out;
}

}  // namespace

Napi::Value to_js(Napi::Env env, const ModelDescription& description) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("arch", description.network ? to_js(env, *description.network) : Napi::String::New(env, description.arch));
  out.Set("depth", static_cast<double>(description.depth));
  out.Set("classes", static_cast<double>(description.classes));
  out.Set("cfg", cfg_to_js(env, description.cfg));
  out.Set("input", array_of(env, {description.input[0], description.input[1], description.input[2]}));
  out.Set("parameters", array_of(env, description.parameters));
  out.Set("indexes", array_of(env, description.indexes));
  Napi::Array norms = Napi::Array::New(env);
  for (const NormLayer& norm : description.batch_norms) {
    Napi::Object item = Napi::Object::New(env);
    item.Set("key", norm.key);
    item.Set("channels", static_cast<double>(norm.channels));
    norms.Set(norms.Length(), item);
  }
  out.Set("batchNorms", norms);
  out.Set("layers", to_js(env, description.layers));
  Napi::Array nodes = Napi::Array::New(env);
  for (const GraphNode& node : description.nodes) nodes.Set(nodes.Length(), node_to_js(env, node));
  out.Set("nodes", nodes);
  return out;
}

Napi::Value to_js(Napi::Env env, const std::vector<LayerInfo>& layers) {
  Napi::Array out = Napi::Array::New(env);
  for (const LayerInfo& layer : layers) out.Set(out.Length(), layer_to_js(env, layer));
  return out;
}

}  // namespace earlybird
