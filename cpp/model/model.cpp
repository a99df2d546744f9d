#include "model/model.h"

#include <ATen/ATen.h>

#include <map>

#include "core/autocast.h"
#include "core/error.h"
#include "core/tensor_io.h"
#include "model/network.h"

namespace earlybird {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::string out = "(";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + ")";
}

}  // namespace

HostState state_dict(const Network& network) {
  HostState out;
  for (const auto& [key, tensor] : state_of(network)) out.emplace_back(key, to_host(tensor));
  return out;
}

void load_state_dict(Network& network, const HostState& state) {
  at::NoGradGuard no_grad;
  std::map<std::string, const HostTensor*> given;
  for (const auto& [key, tensor] : state) given[key] = &tensor;
  const auto own = state_of(network);
  for (const auto& [key, tensor] : own) {
    const auto found = given.find(key);
    if (found == given.end()) {
      if (key.ends_with("num_batches_tracked")) continue;
      throw Error("ERR_CHECKPOINT", "The state dict has no \"" + key + "\": it is of another network or cfg.");
    }
    const at::IntArrayRef shape(found->second->shape);
    if (shape != tensor.sizes())
      throw Error("ERR_CHECKPOINT", "\"" + key + "\" has shape " + shape_text(shape) + " in the state dict, but " +
                                        shape_text(tensor.sizes()) + " in the model: it is of another network or cfg.");
  }
  for (const auto& [key, unused] : state)
    if (std::none_of(own.begin(), own.end(), [&key = key](const auto& entry) { return entry.first == key; }))
      throw Error("ERR_CHECKPOINT", "The model has no \"" + key + "\": the state dict is of another network or cfg.");
  for (auto [key, tensor] : own)
    if (const auto found = given.find(key); found != given.end()) tensor.copy_(view_of(*found->second));
}

HostTensor forward(Network& network, const HostTensor& images, bool train, bool bf16) {
  at::NoGradGuard no_grad;
  network.train(train);
  const at::Device device = network.parameters().front().device();
  const at::Tensor input = view_of(images).to(device).contiguous(at::MemoryFormat::ChannelsLast);
  AutocastGuard autocast(bf16, device.type());
  return to_host(network.forward(input).to(at::kFloat));
}

}  // namespace earlybird
