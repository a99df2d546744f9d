#include "model/sides.h"

#include <map>

#include "model/channels.h"

namespace earlybird {
namespace {

using Kind = LayerData::Kind;

std::string pixels(int64_t side) { return std::to_string(side) + "x" + std::to_string(side) + " pixels"; }

/// The side of a layer's output in pixels; kFeatures for an output without pixels.
int64_t side_behind(const NetworkData& network, const LayerData& layer, int64_t in) {
  const bool takes_features = layer.kind == Kind::kLinear || layer.kind == Kind::kRelu || layer.kind == Kind::kAdd ||
                              layer.kind == Kind::kConcat;
  if (in == kFeatures && !takes_features)
    refuse_layer(network, layer,
                 "it reads the features of a linear layer or of an average over all pixels; only linear, relu, add and "
                 "concat do");
  int64_t out = in;
  switch (layer.kind) {
    case Kind::kLinear:
      if (in > 1)
        refuse_layer(network, layer, "it reads " + pixels(in) + "; put an avgpool without a kernel before it");
      return kFeatures;
    case Kind::kConv:
    case Kind::kMaxPool:
      out = in + 2 * layer.padding < layer.kernel ? 0 : (in + 2 * layer.padding - layer.kernel) / layer.stride + 1;
      break;
    case Kind::kAvgPool:
      if (layer.kernel == 0) return kFeatures;
      out = in / layer.kernel;
      break;
    default:
      return in;
  }
  if (out < 1)
    refuse_layer(network, layer, "its kernel does not fit into " + pixels(in) + "; take larger images (--image-size)");
  return out;
}

}  // namespace

std::vector<std::vector<size_t>> inputs_of(const NetworkData& network) {
  std::map<std::string, size_t> numbers = {{kImage, 0}};
  std::vector<std::vector<size_t>> out;
  for (const LayerData& layer : network.layers) {
    out.emplace_back();
    for (const std::string& name : layer.inputs) {
      const auto found = numbers.find(name);
      if (found == numbers.end()) refuse_layer(network, layer, "no layer before it is called \"" + name + "\"");
      out.back().push_back(found->second);
    }
    const bool fits = layer.kind == Kind::kAdd      ? out.back().size() == 2
                      : layer.kind == Kind::kConcat ? out.back().size() > 1
                                                    : out.back().size() == 1;
    if (!fits) refuse_layer(network, layer, "it has " + std::to_string(out.back().size()) + " inputs");
    if (!numbers.emplace(layer.name, out.size()).second) refuse_layer(network, layer, "its name is taken");
  }
  return out;
}

std::vector<int64_t> sides_of(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs,
                              int64_t side) {
  std::vector<int64_t> out = {side};
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int64_t in = out[inputs[i].front()];
    for (const size_t other : inputs[i])
      if (out[other] != in)
        refuse_layer(network, network.layers[i],
                     "its inputs have " + pixels(in) + " and " + pixels(out[other]) + "; all must have as many");
    out.push_back(side_behind(network, network.layers[i], in));
  }
  return out;
}

}  // namespace earlybird
