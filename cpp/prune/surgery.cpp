#include "prune/surgery.h"

#include <ATen/ATen.h>

#include <map>
#include <set>

#include "core/error.h"
#include "model/network.h"

namespace earlybird {
namespace {

using State = std::map<std::string, at::Tensor>;

State by_key(const Network& network) {
  State state;
  for (auto& [key, tensor] : state_of(network)) state.emplace(key, tensor);
  return state;
}

std::vector<int64_t> kept_channels(const std::vector<uint8_t>& mask, int64_t first, int64_t channels) {
  std::vector<int64_t> kept;
  for (int64_t c = 0; c < channels; ++c)
    if (mask[(first + c) / 8] >> (7 - (first + c) % 8) & 1) kept.push_back(c);
  return kept;
}

/// What is taken of each layer: by old key, output channels (rows) and input channels (columns); absent = all.
struct Selection {
  std::map<std::string, at::Tensor> rows, columns;
  std::map<std::string, std::string> new_key;  // old layer -> new layer; differs where a layer was removed
  std::set<std::string> fresh;                 // layers whose input no longer exists keep their fresh weights
};

/// Copies one layer's entries; BN vectors and biases follow the rows.
void copy_layer(const std::string& key, const Selection& selection, const State& from, State& to) {
  const std::string& target = selection.new_key.at(key);
  for (const char* field : {"weight", "bias", "running_mean", "running_var"}) {
    const auto source = from.find(key + "." + field);
    if (source == from.end()) continue;
    at::Tensor value = source->second;
    if (const auto rows = selection.rows.find(key); rows != selection.rows.end())
      value = value.index_select(0, rows->second);
    if (const auto columns = selection.columns.find(key); columns != selection.columns.end() && value.dim() > 1)
      value = value.index_select(1, columns->second);
    at::Tensor& destination = to.at(target + "." + field);
    if (destination.sizes() != value.sizes())
      throw Error("ERR_INTERNAL", "Pruning built a wrong shape for " + target + "." + field + ".");
    destination.copy_(value);
  }
}

}  // namespace

Pruned prune(const Network& dense, const std::vector<uint8_t>& mask, EmptyLayers empty_layers,
             const Network& weights_from) {
  at::NoGradGuard no_grad;
  const ModelDescription description = dense.describe();
  const State gammas = by_key(dense), source = by_key(weights_from);
  int64_t channels = 0;
  for (const auto& norm : description.batch_norms) channels += norm.channels;
  if (static_cast<int64_t>(mask.size()) != (channels + 7) / 8)
    throw Error("ERR_PRUNE", "The mask has " + std::to_string(mask.size()) + " bytes; " + std::to_string(channels) +
                                 " channels need " + std::to_string((channels + 7) / 8) + ".");

  // 1. What each layer keeps, and the cfg of the small network.
  Pruned out;
  std::vector<std::vector<int64_t>> kept;
  Cfg cfg = description.cfg;
  int64_t first = 0, kept_by_mask = 0;
  for (const auto& norm : description.batch_norms) {
    kept.push_back(kept_channels(mask, first, norm.channels));
    PrunedLayer layer{norm.key, norm.channels, static_cast<int64_t>(kept.back().size()), 0, false};
    kept_by_mask += layer.kept;
    if (kept.back().empty() && empty_layers == EmptyLayers::kKeepOne) {
      kept.back().push_back(gammas.at(norm.key + ".weight").abs().argmax().item<int64_t>());
      layer.kept = layer.clamped = 1;
    }
    layer.removed = kept.back().empty();
    cfg[norm.cfg_index] = layer.kept;
    out.layers.push_back(layer);
    first += norm.channels;
  }
  if (kept_by_mask == 0)
    throw Error("ERR_PRUNE",
                "The mask drops every channel (are all gammas equal, as in an untrained network?): there is no ticket "
                "to draw.");
  std::erase(cfg, 0);

  ModelSpec spec{
      description.arch, description.depth, description.classes, cfg, 1, source.begin()->second.device().str()};
  out.network = create_model(spec);
  const ModelDescription small = out.network->describe();

  // 2. Which rows and columns each layer takes.
  Selection selection;
  const auto device = source.begin()->second.device();
  size_t survivor = 0;
  const at::Tensor* incoming = nullptr;  // kept channels of the last layer that is still there, and its old width
  int64_t incoming_width = 0;
  std::vector<at::Tensor> index(kept.size());
  for (size_t i = 0; i < kept.size(); ++i) {
    const auto& norm = description.batch_norms[i];
    index[i] = at::tensor(kept[i], at::kLong).to(device);
    if (out.layers[i].removed) {
      for (const auto& consumer : norm.consumers) {
        // Its inputs are those of the layer before the removed one; the old columns fit only where both had the same
        // width.
        if (incoming && incoming_width == norm.channels)
          selection.columns[consumer] = *incoming;
        else
          selection.fresh.insert(consumer);
      }
      continue;
    }
    const auto& target = small.batch_norms.at(survivor++);
    selection.new_key[norm.key] = target.key;
    selection.new_key[norm.producer] = target.producer;
    selection.rows[norm.key] = selection.rows[norm.producer] = index[i];
    for (const auto& consumer : norm.consumers) selection.columns[consumer] = index[i];
    incoming = &index[i];
    incoming_width = norm.channels;
  }

  // 3. Everything that belongs to no BN (the classifier) keeps its key.
  State target = by_key(*out.network);
  for (const auto& layer : description.layers) {
    if (layer.kind != LayerInfo::Kind::kConv && layer.kind != LayerInfo::Kind::kLinear) continue;
    if (layer.kind == LayerInfo::Kind::kLinear) selection.new_key.emplace(layer.key, layer.key);
    if (selection.new_key.count(layer.key) && !selection.fresh.count(layer.key))
      copy_layer(layer.key, selection, source, target);
  }
  for (size_t i = 0; i < kept.size(); ++i)
    if (!out.layers[i].removed) copy_layer(description.batch_norms[i].key, selection, source, target);
  return out;
}

}  // namespace earlybird
