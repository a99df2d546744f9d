#include "prune/surgery.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "layer/channel_select.h"
#include "model/network.h"

namespace earlybird {
namespace {

using State = std::map<std::string, at::Tensor>;

State by_key(const Network& network) {
  State state;
  for (auto& [key, tensor] : state_of(network)) state.emplace(key, tensor);
  return state;
}

/// `scores` has one of each channel; empty: |gamma|.
PruneInput input_of(const ModelDescription& description, const State& state, const std::vector<float>& scores) {
  PruneInput out;
  auto next = scores.begin();
  for (const auto& norm : description.batch_norms) {
    if (!scores.empty()) {
      if (scores.end() - next < norm.channels) throw Error("ERR_PRUNE", "There is not a score for each channel.");
      out.scores.emplace_back(next, next + norm.channels);
      next += norm.channels;
      continue;
    }
    const at::Tensor gamma = state.at(norm.key + ".weight").abs().to(at::kFloat).cpu().contiguous();
    out.scores.emplace_back(gamma.const_data_ptr<float>(), gamma.const_data_ptr<float>() + gamma.numel());
  }
  for (const auto& cut : description.cuts) {
    out.selected.emplace_back();
    if (cut.select.empty()) continue;
    const at::Tensor taken = state.at(cut.select + ".indexes").ne(0).cpu().contiguous();
    out.selected.back().assign(taken.const_data_ptr<bool>(), taken.const_data_ptr<bool>() + taken.numel());
  }
  return out;
}

std::vector<uint8_t> packed(const std::vector<Bits>& layers) {
  std::vector<uint8_t> out;
  size_t at = 0;
  for (const Bits& bits : layers)
    for (const bool bit : bits) {
      if (at % 8 == 0) out.push_back(0);
      out.back() |= static_cast<uint8_t>(bit << (7 - at++ % 8));
    }
  return out;
}

/// The part of each layer that is copied: by old key, output channels (rows) and input channels (columns); absent =
/// all.
struct Selection {
  std::map<std::string, at::Tensor> rows, columns;
  std::map<std::string, at::Tensor> selects;   // channels that a selection takes, by its key
  std::map<std::string, std::string> new_key;  // keys that change because a removed layer shifts later ones
  std::set<std::string> lost;  // removed layers, and those that keep fresh weights because their input is gone
};

/// Positions of `kept` among the channels that a selection took before.
std::vector<int64_t> ranks(const std::vector<int64_t>& kept, const Bits& selected) {
  std::vector<int64_t> out;
  for (const int64_t channel : kept) out.push_back(std::count(selected.begin(), selected.begin() + channel, true));
  return out;
}

Selection select_channels(const ModelDescription& from, const ModelDescription& to, const PrunePlan& plan,
                          const std::vector<Bits>& selected, at::Device device) {
  Selection out;
  std::map<std::string, int64_t> widths;
  for (const auto& norm : from.batch_norms) widths[norm.key] = norm.channels;
  size_t survivor = 0;
  at::Tensor incoming;  // channels of the last layer that was not removed
  int64_t incoming_width = -1;
  for (size_t i = 0; i < plan.cuts.size(); ++i) {
    const ChannelCut& cut = from.cuts[i];
    if (plan.cuts[i].kept.empty()) {
      out.lost.insert(cut.norms[0]);
      out.lost.insert(cut.producers.begin(), cut.producers.end());
      // Its consumers now read the layer before it: the old columns fit only if both had the same width.
      for (const auto& consumer : cut.consumers)
        if (incoming_width == widths.at(cut.norms[0]))
          out.columns[consumer] = incoming;
        else
          out.lost.insert(consumer);
      continue;
    }
    const ChannelCut& target = to.cuts.at(survivor++);
    const at::Tensor index = at::tensor(plan.cuts[i].kept, at::kLong).to(device);
    const auto cut_rows = [&](const std::vector<std::string>& keys, const std::vector<std::string>& new_keys) {
      for (size_t k = 0; k < keys.size(); ++k) {
        out.rows[keys[k]] = index;
        out.new_key[keys[k]] = new_keys[k];
      }
    };
    if (cut.select.empty()) {
      cut_rows(cut.norms, target.norms);
      cut_rows(cut.carried, target.carried);
      cut_rows(cut.producers, target.producers);
    }
    if (!cut.select.empty()) out.selects[cut.select] = index;
    const at::Tensor columns =
        cut.select.empty() ? index : at::tensor(ranks(plan.cuts[i].kept, selected[i]), at::kLong).to(device);
    for (const auto& consumer : cut.consumers) out.columns[consumer] = columns;
    incoming = index;
    incoming_width = widths.at(cut.norms[0]);
  }
  return out;
}

/// Copies the entries of one layer; BN vectors and biases are selected like rows.
void copy_layer(const std::string& key, const Selection& selection, const State& from, State& to) {
  const auto renamed = selection.new_key.find(key);
  const std::string& target = renamed == selection.new_key.end() ? key : renamed->second;
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

/// Zeroes gamma and beta of masked channels that the ticket still has.
void mask_norms(const ModelDescription& description, const PrunePlan& plan, const Selection& selection, State& to) {
  for (size_t n = 0; n < plan.alive.size(); ++n) {
    const std::string& key = description.batch_norms[n].key;
    if (plan.layers[n].removed) continue;
    const auto renamed = selection.new_key.find(key);
    const std::string& target = renamed == selection.new_key.end() ? key : renamed->second;
    at::Tensor& gamma = to.at(target + ".weight");
    at::Tensor alive = at::tensor(std::vector<float>(plan.alive[n].begin(), plan.alive[n].end())).to(gamma.device());
    if (const auto rows = selection.rows.find(key); rows != selection.rows.end())
      alive = alive.index_select(0, rows->second);
    // A product, as in the reference: its zeros keep the sign of the old value.
    gamma.mul_(alive);
    to.at(target + ".bias").mul_(alive);
  }
}

}  // namespace

PrunePlan plan_of(const Network& dense, const std::vector<uint8_t>& mask, const PruneOptions& options) {
  at::NoGradGuard no_grad;
  const ModelDescription description = dense.describe();
  return plan_pruning(description, input_of(description, by_key(dense), options.scores), mask, options);
}

Pruned prune(const Network& dense, const std::vector<uint8_t>& mask, const PruneOptions& options,
             const Network& weights_from) {
  at::NoGradGuard no_grad;
  const ModelDescription description = dense.describe();
  const State source = by_key(weights_from);
  const at::Device device = source.begin()->second.device();
  const PruneInput input = input_of(description, by_key(dense), options.scores);
  const PrunePlan plan = plan_pruning(description, input, mask, options);

  ModelSpec spec = spec_of(description);
  spec.arch = description.ticket_arch;
  spec.cfg = plan.cfg;
  spec.device = device.str();
  spec.formats = dense.formats;
  Pruned out{create_model(spec), plan.layers, packed(plan.alive), plan.cuts_live_channels};
  State target = by_key(*out.network);

  const Selection selection = select_channels(description, out.network->describe(), plan, input.selected, device);
  for (const auto& layer : description.layers) {
    const bool has_weights = layer.kind == LayerInfo::Kind::kConv || layer.kind == LayerInfo::Kind::kLinear ||
                             layer.kind == LayerInfo::Kind::kBatchNorm;
    if (has_weights && !selection.lost.count(layer.key)) copy_layer(layer.key, selection, source, target);
  }
  for (const auto& [key, channels] : selection.selects) target.at(key + ".indexes").zero_().index_fill_(0, channels, 1);
  refresh_selections(*out.network);
  if (&weights_from == &dense) {
    mask_norms(description, plan, selection, target);
    // The channel that keeps an empty layer contributes nothing, but can learn to.
    for (size_t i = 0; i < plan.cuts.size(); ++i)
      if (plan.cuts[i].mute)
        for (const auto& consumer : description.cuts[i].consumers) target.at(consumer + ".weight").zero_();
  }
  return out;
}

}  // namespace earlybird
