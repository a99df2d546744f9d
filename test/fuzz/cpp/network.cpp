// A network that is data: its layers as the binding reads them from a file. Each fits the one before, or is named.
// sources: model/{channels,sides,steps}.cpp
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

#include "core/error.h"
#include "model/channels.h"
#include "model/sides.h"
#include "model/steps.h"

using earlybird::LayerData;

namespace {

/// A size that binding/network_data.cpp lets pass; small ones are more frequent.
int64_t size_in(FuzzedDataProvider& from, int64_t least) {
  return from.ConsumeIntegralInRange<int64_t>(least, from.ConsumeBool() ? 8 : 65536);
}

LayerData layer_in(FuzzedDataProvider& from, size_t number) {
  LayerData layer{static_cast<LayerData::Kind>(from.ConsumeIntegralInRange<int>(0, 8)), std::to_string(number + 1), {}};
  const auto inputs = from.ConsumeIntegralInRange<size_t>(1, 3);
  for (size_t i = 0; i < inputs; ++i) {
    // The input is mostly one of the layers just before; `number` + 1 is this layer itself, whose name does not exist
    // yet.
    const auto back = from.ConsumeIntegralInRange<size_t>(0, 4);
    const size_t read = back <= number ? number - back : from.ConsumeIntegralInRange<size_t>(0, number + 1);
    layer.inputs.push_back(read == 0 ? earlybird::kImage : std::to_string(read));
  }
  layer.out = size_in(from, 0);
  layer.kernel = size_in(from, 0);
  layer.stride = size_in(from, 1);
  layer.padding = size_in(from, 0);
  layer.groups = size_in(from, 1);
  layer.depthwise = from.ConsumeBool();
  layer.bias = from.ConsumeBool();
  if ((layer.kind == LayerData::Kind::kConv || layer.kind == LayerData::Kind::kMaxPool) && layer.kernel == 0)
    layer.kernel = 1;
  return layer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider from(data, size);
  earlybird::NetworkData network;
  network.name = "fuzz";
  const int64_t side = size_in(from, 1);
  while (from.remaining_bytes() > 0 && network.layers.size() < 2000)
    network.layers.push_back(layer_in(from, network.layers.size()));
  try {
    const auto inputs = earlybird::inputs_of(network);
    const auto layout = earlybird::layout_of(network, inputs, 10);
    const auto sides = earlybird::sides_of(network, inputs, side);
    if (layout.set_of.size() != network.layers.size() + 1 || sides.size() != layout.set_of.size()) std::abort();
    for (const size_t set : layout.set_of)
      if (layout.sets.at(set).width < 0) std::abort();
    for (const int64_t pixels : sides)
      if (pixels < 0) std::abort();
    for (const auto& step : earlybird::steps_of(network, inputs))
      if (step.output > network.layers.size() || step.input > network.layers.size()) std::abort();
  } catch (const earlybird::Error& error) {
    if (error.code() != "ERR_MODEL") std::abort();
  }
  return 0;
}
