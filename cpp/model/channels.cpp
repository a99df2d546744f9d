#include "model/channels.h"

#include <algorithm>
#include <optional>

#include "core/error.h"

namespace earlybird {
namespace {

using Kind = LayerData::Kind;
using Keys = std::vector<std::string>;

void append(Keys& to, const Keys& from) {
  for (const std::string& key : from)
    if (std::find(to.begin(), to.end(), key) == to.end()) to.push_back(key);
}

/// The limit for a layer of a file (binding/network_data.cpp), which nested concatenations could exceed: each doubles
/// the width.
constexpr int64_t kMostChannels = 65536;

/// A set of channels while it grows.
struct Growing {
  int64_t width = 0;
  /// True where a layer that reads or makes the channels needs all of them.
  bool whole = false;
  Keys norms = {}, producers = {}, consumers = {};
  /// BN layers that all have to mask a channel before each consumer reads zeros.
  Keys deciding = {};
  std::string select = {};
  bool select_reads_one_norm = false;
};

/// The known properties of the channels that leave a layer.
struct Value {
  size_t set = 0;
  /// BN layers that together turn a channel into zeros; absent where none do.
  std::optional<Keys> zero_by = {};
  std::vector<Keys> sources = {};
};

class Layout {
 public:
  Layout(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs, int64_t classes)
      : network_(network), inputs_(inputs), classes_(classes), readers_(inputs.size() + 1) {
    for (const auto& list : inputs)
      for (const size_t input : list) ++readers_[input];
    values_.push_back({begin(3, /*whole=*/true), std::nullopt, {}});
    for (size_t i = 0; i < inputs.size(); ++i) values_.push_back(value_of(network.layers[i], inputs[i]));
  }

  ChannelLayout take() {
    ChannelLayout out;
    std::vector<size_t> number(sets_.size());
    for (size_t s = 0; s < sets_.size(); ++s) {
      if (root(s) != s) continue;
      number[s] = out.sets.size();
      out.sets.push_back({sets_[s].width, NormLayer::kNone});
      if (!can_be_cut(sets_[s])) continue;
      out.sets.back().cut = out.cuts.size();
      out.cuts.push_back(cut_of(sets_[s], out.cuts.size()));
    }
    for (const Value& value : values_) {
      out.set_of.push_back(number[root(value.set)]);
      out.sources.push_back(value.sources);
    }
    return out;
  }

 private:
  Value value_of(const LayerData& layer, const std::vector<size_t>& inputs) {
    const Value first = values_[inputs.front()];
    Growing& set = at(first);
    switch (layer.kind) {
      case Kind::kConv:
        return convolution(layer, first);
      case Kind::kLinear:
        reads(layer.name, first);
        return {begin(layer.out > 0 ? layer.out : classes_, /*whole=*/true), std::nullopt, {}};
      case Kind::kBatchNorm:
        if (first.sources.empty())
          refuse_layer(network_, layer, "a batchnorm reads convolutions, and what only pools or adds behind them");
        set.norms.push_back(layer.name);
        return {first.set, Keys{layer.name}, first.sources};
      case Kind::kSelect:
        return selection(layer, inputs.front(), first);
      case Kind::kAdd:
        return sum(layer, first, values_[inputs.back()]);
      case Kind::kConcat:
        return concatenation(layer, inputs);
      case Kind::kRelu:
      case Kind::kMaxPool:
      case Kind::kAvgPool:
        return first;
    }
    return first;
  }

  Value convolution(const LayerData& layer, const Value& input) {
    const int64_t in = at(input).width;
    if (layer.depthwise) {
      Growing& set = at(input);
      if (!set.select.empty()) set.whole = true;
      set.producers.push_back(layer.name);
      return {input.set, layer.bias ? std::nullopt : input.zero_by, {{layer.name}}};
    }
    if (layer.out < 1) refuse_layer(network_, layer, "it has no channels; give \"out\"");
    if (in % layer.groups != 0 || layer.out % layer.groups != 0)
      refuse_layer(network_, layer,
                   std::to_string(in) + " channels in and " + std::to_string(layer.out) +
                       " out cannot be divided into " + std::to_string(layer.groups) + " groups");
    reads(layer.name, input);
    if (layer.groups > 1) at(input).whole = true;
    const size_t set = begin(layer.out, layer.groups > 1);
    sets_[set].producers = {layer.name};
    return {set, std::nullopt, {{layer.name}}};
  }

  Value selection(const LayerData& layer, size_t number, const Value& input) {
    at(input).whole = true;
    const size_t set = begin(at(input).width, !input.zero_by);
    sets_[set].select = layer.name;
    sets_[set].select_reads_one_norm =
        number > 0 && network_.layers[number - 1].kind == Kind::kBatchNorm && readers_[number] == 1;
    return {set, input.zero_by, {}};
  }

  Value sum(const LayerData& layer, const Value& a, const Value& b) {
    const int64_t width = at(a).width, other = at(b).width;
    if (width != other)
      refuse_layer(network_, layer,
                   "its inputs have " + std::to_string(width) + " and " + std::to_string(other) +
                       " channels; both must have as many");
    std::optional<Keys> zero_by = a.zero_by;
    if (zero_by && b.zero_by)
      append(*zero_by, *b.zero_by);
    else
      zero_by.reset();
    std::vector<Keys> sources = a.sources.empty() ? b.sources : a.sources;
    if (a.sources.size() == 1 && b.sources.size() == 1) append(sources.front(), b.sources.front());
    return {join(a.set, b.set), std::move(zero_by), std::move(sources)};
  }

  /// Keeps all channels of its inputs: with fewer, the columns of its readers would move.
  Value concatenation(const LayerData& layer, const std::vector<size_t>& inputs) {
    int64_t width = 0;
    std::vector<Keys> sources;
    // Filters that stand for some of the channels only are none that a BN layer can be told by.
    bool has_all = true;
    for (const size_t input : inputs) {
      const Value& value = values_[input];
      at(value).whole = true;
      width += at(value).width;
      if (width > kMostChannels)
        refuse_layer(network_, layer, "it has more than " + std::to_string(kMostChannels) + " channels");
      has_all = has_all && !value.sources.empty();
      sources.insert(sources.end(), value.sources.begin(), value.sources.end());
    }
    if (!has_all) sources.clear();
    return {begin(width, /*whole=*/true), std::nullopt, std::move(sources)};
  }

  void reads(const std::string& key, const Value& value) {
    Growing& set = at(value);
    set.consumers.push_back(key);
    if (value.zero_by)
      append(set.deciding, *value.zero_by);
    else
      set.whole = true;
  }

  size_t join(size_t a, size_t b) {
    a = root(a);
    b = root(b);
    if (a == b) {
      // A selection takes part in a sum whose other terms have all channels.
      if (!sets_[a].select.empty()) sets_[a].whole = true;
      return a;
    }
    if (b < a) std::swap(a, b);
    Growing &to = sets_[a], &from = sets_[b];
    to.whole = to.whole || from.whole || !to.select.empty() || !from.select.empty();
    append(to.norms, from.norms);
    append(to.producers, from.producers);
    append(to.consumers, from.consumers);
    append(to.deciding, from.deciding);
    parent_[b] = a;
    return a;
  }

  bool can_be_cut(const Growing& set) const {
    return !set.whole && !set.consumers.empty() && !set.deciding.empty() &&
           (!set.select.empty() || !set.producers.empty());
  }

  ChannelCut cut_of(const Growing& set, size_t entry) const {
    ChannelCut cut{.norms = set.deciding, .consumers = set.consumers, .cfg_entry = entry};
    if (!set.select.empty()) {
      cut.select = set.select;
      cut.select_reads_one_norm = set.select_reads_one_norm;
      return cut;
    }
    cut.producers = set.producers;
    for (const std::string& norm : set.norms)
      if (std::find(set.deciding.begin(), set.deciding.end(), norm) == set.deciding.end()) cut.carried.push_back(norm);
    cut.width_norms = cut.rank_norms = cut.norms.size();
    return cut;
  }

  size_t begin(int64_t width, bool whole) {
    sets_.push_back({.width = width, .whole = whole});
    parent_.push_back(sets_.size() - 1);
    return sets_.size() - 1;
  }

  size_t root(size_t set) const {
    while (parent_[set] != set) set = parent_[set];
    return set;
  }

  Growing& at(const Value& value) { return sets_[root(value.set)]; }

  const NetworkData& network_;
  const std::vector<std::vector<size_t>>& inputs_;
  int64_t classes_;
  std::vector<size_t> readers_;
  std::vector<Growing> sets_;
  std::vector<size_t> parent_;
  std::vector<Value> values_;
};

}  // namespace

void refuse_layer(const NetworkData& network, const LayerData& layer, const std::string& what) {
  throw Error("ERR_MODEL", "Network " + network.name + ", layer \"" + layer.name + "\": " + what + ".");
}

ChannelLayout layout_of(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs, int64_t classes) {
  return Layout(network, inputs, classes).take();
}

}  // namespace earlybird
