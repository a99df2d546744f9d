#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <map>

#include "core/error.h"
#include "layer/channel_select.h"
#include "model/interpreted.h"
#include "model/network.h"
#include "model/preresnet.h"
#include "model/resnet.h"
#include "model/resnet50.h"
#include "model/vgg.h"

namespace earlybird {
namespace {

using Builder = std::shared_ptr<Network> (*)(const ModelSpec&);

const std::map<std::string, Builder>& builders() {
  static const auto* table = new std::map<std::string, Builder>{
      {"vgg", &build_vgg},         {"resnet", &build_preresnet},           {"resnet18", &build_resnet},
      {"resnet34", &build_resnet}, {"resnet50_official", &build_resnet50}, {"resnet50_prune", &build_resnet50},
  };
  return *table;
}

Builder builder_of(const ModelSpec& spec) {
  if (spec.network) return &build_interpreted;
  const auto builder = builders().find(spec.arch);
  if (builder != builders().end()) return builder->second;
  std::string known;
  for (const auto& [name, unused] : builders()) known += (known.empty() ? "" : ", ") + name;
  throw Error("ERR_MODEL", "Unknown architecture \"" + spec.arch + "\": this build has " + known +
                               "; a file of a network has a name that ends in .json.");
}

void seed_generator(uint64_t seed) {
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard lock(generator.mutex());
  generator.set_current_seed(seed);
}

void collect(const torch::nn::Module& module, const std::string& prefix,
             std::vector<std::pair<std::string, at::Tensor>>& out) {
  for (const auto& entry : module.named_parameters(/*recurse=*/false))
    out.emplace_back(prefix + entry.key(), entry.value());
  for (const auto& entry : module.named_buffers(/*recurse=*/false))
    out.emplace_back(prefix + entry.key(), entry.value());
  for (const auto& child : module.named_children()) collect(*child.value(), prefix + child.key() + ".", out);
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> state_of(const torch::nn::Module& module) {
  std::vector<std::pair<std::string, at::Tensor>> out;
  collect(module, "", out);
  return out;
}

void initialise_residual(torch::nn::Module& network, double gamma) {
  at::NoGradGuard no_grad;
  for (const auto& module : network.modules(/*include_self=*/false)) {
    if (auto conv = std::dynamic_pointer_cast<torch::nn::Conv2dImpl>(module)) {
      const at::Tensor& weight = conv->weight;
      weight.normal_(0, std::sqrt(2.0 / static_cast<double>(weight.size(0) * weight.size(2) * weight.size(3))));
    } else if (auto norm = std::dynamic_pointer_cast<torch::nn::BatchNorm2dImpl>(module)) {
      norm->weight.fill_(gamma);
      norm->bias.zero_();
    }
  }
}

ModelSpec spec_of(const ModelDescription& description) {
  ModelSpec spec;
  spec.arch = description.arch;
  spec.network = description.network;
  spec.depth = description.depth;
  spec.classes = description.classes;
  spec.cfg = description.cfg;
  spec.image_size = description.input[1];
  return spec;
}

std::shared_ptr<Network> create_model(const ModelSpec& spec) {
  const Builder builder = builder_of(spec);
  if (spec.classes < 1) throw Error("ERR_MODEL", "A model needs at least one class.");
  seed_generator(spec.seed);
  auto network = builder(spec);
  network->initialise();
  network->formats = spec.formats;
  network->ranks = spec.ranks;
  network->sync_norms = spec.sync_norms;
  network->kernels = kernels_of(spec.kernels);
  at::NoGradGuard no_grad;
  for (auto& parameter : network->parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  network->to(at::Device(spec.device));
  refresh_selections(*network);
  return network;
}

ModelDescription describe(const Network& network) {
  ModelDescription out = network.describe();
  for (const auto& entry : network.named_parameters()) out.parameters.push_back(entry.key());
  for (const auto& entry : network.named_buffers())
    if (entry.key().ends_with(".indexes")) out.indexes.push_back(entry.key());
  return out;
}

void reinitialise(Network& network, uint64_t seed) {
  // A CPU copy of the same structure draws the numbers, so that they are PyTorch's for a new model on any device and in
  // any layout.
  ModelSpec spec = spec_of(network.describe());
  spec.seed = seed;
  const auto fresh = state_of(*create_model(spec));
  const auto state = state_of(network);
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < state.size(); ++i)
    if (!state[i].first.ends_with(".indexes")) state[i].second.copy_(fresh[i].second);
}

}  // namespace earlybird
