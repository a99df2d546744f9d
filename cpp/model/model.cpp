#include "model/model.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <map>

#include "core/autocast.h"
#include "core/error.h"
#include "core/tensor_io.h"
#include "layer/channel_select.h"
#include "model/low_precision.h"
#include "model/network.h"

namespace earlybird {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::string out = "(";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + ")";
}

/// The value of entries that a state dict may lack: torchvision's ResNets select no channels, and their shortcuts have
/// no bias.
std::optional<double> value_when_absent(const std::string& key, const at::Tensor& tensor) {
  if (key.ends_with("num_batches_tracked")) return 0;
  if (key.ends_with("downsample.0.bias")) return 0;
  if (key.ends_with("indexes") && tensor.ne(0).all().item<bool>()) return 1;  // a pruned network needs its entry
  return std::nullopt;
}

void check_selection(const std::string& key, const at::Tensor& given, const at::Tensor& own) {
  const int64_t selected = given.count_nonzero().item<int64_t>(), wanted = own.count_nonzero().item<int64_t>();
  if (selected != wanted)
    throw Error("ERR_CHECKPOINT", "\"" + key + "\" selects " + std::to_string(selected) + " of " +
                                      std::to_string(given.numel()) + " channels in the state dict, but " +
                                      std::to_string(wanted) + " by the cfg of the model: it is of another ticket.");
}

}  // namespace

HostState state_dict(const Network& network) { return to_host(state_of(network)); }

void load_state_dict(Network& network, const HostState& state) {
  at::NoGradGuard no_grad;
  std::map<std::string, const HostTensor*> given;
  for (const auto& [key, tensor] : state) given[key] = &tensor;
  const auto own = state_of(network);
  for (const auto& [key, tensor] : own) {
    const auto found = given.find(key);
    if (found == given.end()) {
      if (value_when_absent(key, tensor)) continue;
      throw Error("ERR_CHECKPOINT", "The state dict has no \"" + key + "\": it is of another network or cfg.");
    }
    const at::IntArrayRef shape(found->second->shape);
    if (shape != tensor.sizes())
      throw Error("ERR_CHECKPOINT", "\"" + key + "\" has shape " + shape_text(shape) + " in the state dict, but " +
                                        shape_text(tensor.sizes()) + " in the model: it is of another network or cfg.");
    if (key.ends_with("indexes")) check_selection(key, view_of(*found->second), tensor);
  }
  for (const auto& [key, unused] : state)
    if (std::none_of(own.begin(), own.end(), [&key = key](const auto& entry) { return entry.first == key; }))
      throw Error("ERR_CHECKPOINT", "The model has no \"" + key + "\": the state dict is of another network or cfg.");
  for (auto [key, tensor] : own) {
    if (const auto found = given.find(key); found != given.end())
      tensor.copy_(view_of(*found->second));
    else
      tensor.fill_(*value_when_absent(key, tensor));
  }
  refresh_selections(network);
}

void set_formats(Network& network, const NumberFormats& formats) {
  if (!network.formats)
    throw Error("ERR_USAGE", "A network in full precision has no formats to change: make it with formats.");
  network.formats = formats;
}

std::string device_of(const Network& network) { return network.parameters().front().device().str(); }

void share_state(Network& network) {
  if (!network.ranks) return;
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> tensors;
  for (const auto& [key, tensor] : state_of(network)) tensors.push_back(tensor);
  network.ranks->broadcast(tensors, "the weights of rank 0");
  refresh_selections(network);
}

std::map<std::string, std::string> choose_kernels(Network& network, bool bf16,
                                                  const std::map<std::string, std::string>& given) {
  at::NoGradGuard no_grad;
  if (!network.parameters().front().is_cpu()) return {};
  if (!given.empty()) network.kernels = kernels_of(given);
  network.eval();
  const auto& [channels, height, width] = network.describe().input;
  const at::Tensor image = at::zeros({1, channels, height, width}).contiguous(at::MemoryFormat::ChannelsLast);
  {
    AutocastGuard autocast(bf16, at::kCPU);
    KernelsGuard own(network.kernels, /*measure=*/true);
    network.forward(image);
  }
  return names_of(network.kernels);
}

HostTensor forward(Network& network, const HostTensor& images, bool train, bool bf16) {
  at::NoGradGuard no_grad;
  network.train(train);
  const at::Device device = network.parameters().front().device();
  const at::Tensor input = view_of(images).to(device).contiguous(at::MemoryFormat::ChannelsLast);
  LowPrecision numbers(network, RandomLane{}.seed, NumberKind::kTest);
  at::Tensor logits;
  {
    AutocastGuard autocast(bf16, device.type());
    QuantizeGuard quantize(numbers.pass());
    KernelsGuard own(network.kernels);
    logits = network.forward(input).to(at::kFloat);
  }
  numbers.check("a forward pass");
  return to_host(logits);
}

}  // namespace earlybird
