#include "prune/planned.h"

#include <map>
#include <set>

namespace earlybird {
namespace {

using Kind = LayerInfo::Kind;

/// New widths by the key of a layer.
struct Planned {
  std::map<std::string, int64_t> rows, columns;
  std::map<std::string, int64_t> selected;  // channels that leave a selection, also by the BN layer before it
  std::set<std::string> removed;
};

Planned widths_of(const ModelDescription& description, const PrunePlan& plan) {
  Planned out;
  for (size_t i = 0; i < plan.cuts.size(); ++i) {
    const ChannelCut& cut = description.cuts[i];
    const auto width = static_cast<int64_t>(plan.cuts[i].kept.size());
    if (width == 0) {
      out.removed.insert(cut.norms.begin(), cut.norms.end());
      out.removed.insert(cut.producers.begin(), cut.producers.end());
      continue;
    }
    for (const std::string& key : cut.consumers) out.columns[key] = width;
    if (!cut.select.empty()) {
      out.selected[cut.select] = width;
      if (cut.select_reads_one_norm) out.selected[cut.norms.front()] = width;
      continue;
    }
    for (const std::string& key : cut.norms) out.rows[key] = width;
    for (const std::string& key : cut.carried) out.rows[key] = width;
    for (const std::string& key : cut.producers) out.rows[key] = width;
  }
  return out;
}

}  // namespace

std::vector<LayerInfo> planned_layers(const ModelDescription& description, const PrunePlan& plan) {
  const Planned planned = widths_of(description, plan);
  const auto found = [](const std::map<std::string, int64_t>& widths, const std::string& key, int64_t otherwise) {
    const auto at = widths.find(key);
    return at == widths.end() ? otherwise : at->second;
  };
  const auto widths_before = [&](const LayerInfo& layer) {
    return found(planned.selected, layer.of, found(planned.rows, layer.of, layer.in));
  };
  std::vector<LayerInfo> out;
  int64_t channels = description.input[0];  // channels of the images that reach the next layer
  bool after_removed = false;
  for (LayerInfo layer : description.layers) {
    const bool depthwise = layer.groups > 1 && layer.groups == layer.in && layer.in == layer.out;
    if (planned.removed.contains(layer.key)) {
      after_removed = true;
      continue;
    }
    switch (layer.kind) {
      case Kind::kConv:
      case Kind::kLinear:
        // A layer behind a removed one reads the input of that one.
        layer.in = after_removed ? channels : found(planned.columns, layer.key, layer.in);
        channels = layer.out = found(planned.rows, layer.key, layer.out);
        if (depthwise) layer.in = layer.groups = layer.out;
        after_removed = false;
        break;
      case Kind::kBatchNorm:
        layer.in = layer.out = found(planned.rows, layer.key, layer.out);
        channels = found(planned.selected, layer.key, layer.out);
        break;
      default:
        if (after_removed && layer.kind == Kind::kRelu) continue;
        layer.in = layer.out = layer.of.empty() ? channels : widths_before(layer);
    }
    out.push_back(layer);
  }
  return out;
}

}  // namespace earlybird
