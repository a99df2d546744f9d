#include "prune/plan.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "core/error.h"

namespace earlybird {
namespace {

using Scores = std::vector<std::vector<float>>;

int64_t count(const Bits& bits) { return std::count(bits.begin(), bits.end(), true); }

int64_t count(const std::vector<Bits>& layers) {
  return std::accumulate(layers.begin(), layers.end(), int64_t{0},
                         [](int64_t sum, const Bits& bits) { return sum + count(bits); });
}

/// A cut with the indexes of its BN layers.
struct Cut {
  const ChannelCut* what;
  std::vector<size_t> norms, carried;
  const Bits* selected;

  bool has(int64_t channel) const { return selected->empty() || (*selected)[channel]; }
};

std::vector<Cut> number_cuts(const ModelDescription& description, const PruneInput& input) {
  std::map<std::string, size_t> number;
  for (size_t i = 0; i < description.batch_norms.size(); ++i) number[description.batch_norms[i].key] = i;
  std::vector<Cut> out;
  for (const ChannelCut& cut : description.cuts) {
    out.push_back({&cut, {}, {}, &input.selected[out.size()]});
    for (const auto& key : cut.norms) out.back().norms.push_back(number.at(key));
    for (const auto& key : cut.carried) out.back().carried.push_back(number.at(key));
  }
  return out;
}

std::vector<Bits> unpack(const ModelDescription& description, const std::vector<uint8_t>& mask) {
  int64_t channels = 0;
  for (const auto& norm : description.batch_norms) channels += norm.channels;
  if (static_cast<int64_t>(mask.size()) != (channels + 7) / 8)
    throw Error("ERR_PRUNE", "The mask has " + std::to_string(mask.size()) + " bytes; " + std::to_string(channels) +
                                 " channels need " + std::to_string((channels + 7) / 8) + ".");
  std::vector<Bits> out;
  int64_t at = 0;
  for (const auto& norm : description.batch_norms) {
    out.emplace_back(norm.channels);
    for (int64_t c = 0; c < norm.channels; ++c, ++at) out.back()[c] = mask[at / 8] >> (7 - at % 8) & 1;
  }
  return out;
}

/// The permitted channel with the largest value, the first of equals; -1 if there is none.
template <class Values, class May>
int64_t largest_channel(int64_t channels, const Values& value, const May& may) {
  int64_t best = -1;
  for (int64_t c = 0; c < channels; ++c)
    if (may(c) && (best < 0 || value(c) > value(best))) best = c;
  return best;
}

/// Decides which channels of `alive` a cut keeps.
class Widths {
 public:
  Widths(const Scores& scores, Surgery surgery) : scores_(scores), surgery_(surgery) {}

  std::vector<int64_t> kept(const Cut& cut, const std::vector<Bits>& alive) const {
    const int64_t channels = static_cast<int64_t>(alive[cut.norms[0]].size());
    if (surgery_ == Surgery::kExact || cut.what->rank_norms == 1) {
      const size_t last = surgery_ == Surgery::kExact ? cut.norms.size() : 1;
      std::vector<int64_t> out;
      for (int64_t c = 0; c < channels; ++c)
        if (cut.has(c) &&
            std::any_of(cut.norms.begin(), cut.norms.begin() + last, [&](size_t n) { return alive[n][c]; }))
          out.push_back(c);
      return out;
    }
    std::vector<int64_t> order(channels);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return score(cut, a) > score(cut, b); });
    order.resize(count(alive[widest(cut, alive)]));
    std::sort(order.begin(), order.end());
    return order;
  }

  /// Adds one channel to this cut, the next by score.
  void widen(const Cut& cut, std::vector<Bits>& alive) const {
    const int64_t channels = static_cast<int64_t>(alive[cut.norms[0]].size());
    if (surgery_ == Surgery::kExact) {
      const int64_t channel = largest_channel(
          channels, [&](int64_t c) { return score(cut, c); },
          [&](int64_t c) {
            return cut.has(c) &&
                   std::none_of(cut.norms.begin(), cut.norms.end(), [&](size_t n) { return alive[n][c]; });
          });
      alive[strongest(cut, channel)][channel] = true;
    } else {
      const size_t norm = widest(cut, alive);
      alive[norm][next(cut, norm, alive[norm])] = true;
    }
  }

  /// The channel of the largest score in a layer among those that are not alive.
  int64_t next(size_t norm, const Bits& alive) const {
    return largest_channel(
        static_cast<int64_t>(alive.size()), [&](int64_t c) { return value(norm, c); },
        [&](int64_t c) { return !alive[c]; });
  }

  /// The same among the channels that the cut can still take.
  int64_t next(const Cut& cut, size_t norm, const Bits& alive) const {
    return largest_channel(
        static_cast<int64_t>(alive.size()), [&](int64_t c) { return value(norm, c); },
        [&](int64_t c) { return !alive[c] && cut.has(c); });
  }

  /// The channel of the largest score in a layer among those that a cut keeps.
  int64_t best(size_t norm, const std::vector<int64_t>& kept) const {
    return *std::max_element(kept.begin(), kept.end(),
                             [&](int64_t a, int64_t b) { return value(norm, a) < value(norm, b); });
  }

  /// The BN layer of a cut that has the largest score in this channel.
  size_t strongest(const Cut& cut, int64_t channel) const {
    return *std::max_element(cut.norms.begin(), cut.norms.end(),
                             [&](size_t a, size_t b) { return value(a, channel) < value(b, channel); });
  }

 private:
  /// The score of a channel; NaN is never kept, as in the mask.
  float value(size_t norm, int64_t channel) const {
    const float score = scores_[norm][channel];
    return std::isnan(score) ? kLowest : score;
  }

  float score(const Cut& cut, int64_t channel) const {
    const size_t last = surgery_ == Surgery::kExact ? cut.norms.size() : cut.what->rank_norms;
    float out = kLowest;
    for (size_t i = 0; i < last; ++i) out = std::max(out, value(cut.norms[i], channel));
    return out;
  }

  size_t widest(const Cut& cut, const std::vector<Bits>& alive) const {
    return *std::max_element(cut.norms.begin(), cut.norms.begin() + static_cast<int64_t>(cut.what->width_norms),
                             [&](size_t a, size_t b) { return count(alive[a]) < count(alive[b]); });
  }

  static constexpr float kLowest = -std::numeric_limits<float>::infinity();

  const Scores& scores_;
  Surgery surgery_;
};

/// The width that a cut gets instead of a smaller one, at most `most`.
using WidthRule = std::function<int64_t(const ChannelCut& cut, int64_t width, int64_t most)>;

WidthRule to_multiples_of(int64_t multiple) {
  return [multiple](const ChannelCut&, int64_t width, int64_t most) {
    return std::min(most, std::max<int64_t>(1, (width + multiple - 1) / multiple) * multiple);
  };
}

/// Adds channels until no cut wants more. Cuts share layers, so this repeats until nothing changes.
std::vector<Bits> round_up(const std::vector<Cut>& cuts, const Widths& widths, std::vector<Bits> alive,
                           const WidthRule& rule) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const Cut& cut : cuts) {
      const auto channels = static_cast<int64_t>(alive[cut.norms[0]].size());
      const int64_t width = static_cast<int64_t>(widths.kept(cut, alive).size());
      const int64_t wanted = rule(*cut.what, width, cut.selected->empty() ? channels : count(*cut.selected));
      for (int64_t i = width; i < wanted; ++i) widths.widen(cut, alive);
      changed = changed || wanted > width;
    }
  }
  return alive;
}

/// A mask whose widths are rounded and that keeps at most as many channels as `alive`, if possible: raises the
/// threshold, then rounds up.
std::vector<Bits> rounded(const std::vector<Cut>& cuts, const Widths& widths, const Scores& scores,
                          const std::vector<Bits>& alive, const WidthRule& rule) {
  struct Channel {
    float score;
    size_t norm;
    int64_t channel;
  };
  std::vector<Channel> order;
  for (size_t n = 0; n < alive.size(); ++n)
    for (size_t c = 0; c < alive[n].size(); ++c)
      if (alive[n][c]) order.push_back({scores[n][c], n, static_cast<int64_t>(c)});
  std::stable_sort(order.begin(), order.end(), [](const Channel& a, const Channel& b) { return a.score > b.score; });
  const auto budget = static_cast<int64_t>(order.size());
  const auto with = [&](int64_t kept) {
    std::vector<Bits> out;
    for (const Bits& bits : alive) out.emplace_back(bits.size());
    for (int64_t i = 0; i < kept; ++i) out[order[i].norm][order[i].channel] = true;
    return round_up(cuts, widths, std::move(out), rule);
  };
  int64_t fits = 0, beyond = budget + 1;
  while (beyond - fits > 1) {
    const int64_t middle = (fits + beyond) / 2;
    (count(with(middle)) <= budget ? fits : beyond) = middle;
  }
  return with(fits);
}

}  // namespace

PrunePlan plan_pruning(const ModelDescription& description, PruneInput input, const std::vector<uint8_t>& mask,
                       const PruneOptions& options) {
  PrunePlan out;
  out.alive = unpack(description, mask);
  if (count(out.alive) == 0)
    throw Error(
        "ERR_PRUNE",
        "The mask drops every channel, so there is no ticket: are all gammas equal, as in an untrained network?");
  const bool exact = options.surgery == Surgery::kExact, remove = options.empty_layers == EmptyLayers::kRemove;
  if (exact && remove)
    throw Error("ERR_PRUNE",
                "Removing a layer changes the function, which exact surgery keeps: prune with "
                "--empty-layers keep-one or --surgery reference.");
  const std::vector<Cut> cuts = number_cuts(description, input);
  for (const Cut& cut : cuts)
    for (size_t c = 0; cut.what->select_reads_one_norm && c < cut.selected->size(); ++c)
      if (!cut.has(static_cast<int64_t>(c))) {  // removed by an earlier pruning
        out.alive[cut.norms[0]][c] = false;
        input.scores[cut.norms[0]][c] = std::numeric_limits<float>::quiet_NaN();
      }
  const Widths widths(input.scores, options.surgery);
  if (options.width_costs) {
    const FastestWidths fastest(description, *options.width_costs);
    out.alive =
        rounded(cuts, widths, input.scores, out.alive, [&fastest](const ChannelCut& cut, int64_t width, int64_t most) {
          return fastest.instead_of(cut, width, most);
        });
  } else if (options.round_to > 1) {
    out.alive = rounded(cuts, widths, input.scores, out.alive, to_multiples_of(options.round_to));
  }

  for (const auto& norm : description.batch_norms) {
    PrunedLayer layer;
    layer.key = norm.key;
    layer.total = layer.width = norm.channels;
    out.layers.push_back(layer);
  }
  const auto revive = [&](size_t norm, int64_t channel) {
    out.alive[norm][channel] = true;
    out.layers[norm].clamped = 1;
  };
  // Empty layers (docs/reference.md#8.6): reference surgery revives one channel in each, for all networks; exact
  // surgery only if a shape would be empty, and never in a stream that others read.
  std::vector<bool> removable(out.alive.size()), carried(out.alive.size());
  for (const Cut& cut : cuts) {
    if (cut.what->removable) removable[cut.norms[0]] = true;
    for (const size_t n : cut.carried) carried[n] = true;
  }
  for (size_t n = 0; n < out.alive.size(); ++n) {
    if (count(out.alive[n]) > 0) continue;
    if (remove && !removable[n])
      throw Error("ERR_PRUNE", out.layers[n].key +
                                   " would lose every channel and cannot be removed from this network: "
                                   "prune with --empty-layers keep-one.");
    if (!remove && !exact && !carried[n]) revive(n, widths.next(n, out.alive[n]));
  }

  out.cfg = description.ticket_cfg;
  for (const Cut& cut : cuts) {
    CutPlan plan;
    plan.kept = widths.kept(cut, out.alive);
    const bool cuts_norms = cut.what->select.empty();
    if (plan.kept.empty() && !(remove && cut.what->removable)) {
      const size_t first = cut.norms[0];
      const int64_t channel = widths.next(cut, first, Bits(out.alive[first].size()));
      plan.kept = {channel};
      plan.mute = exact;
      if (cuts_norms || cut.what->select_reads_one_norm) revive(widths.strongest(cut, channel), channel);
    }
    const auto width = static_cast<int64_t>(plan.kept.size());
    for (const size_t n : cut.norms)
      for (size_t c = 0; width > 0 && c < out.alive[n].size(); ++c)
        if (out.alive[n][c] && cut.has(static_cast<int64_t>(c)) &&
            !std::binary_search(plan.kept.begin(), plan.kept.end(), static_cast<int64_t>(c)))
          out.cuts_live_channels = true;
    for (const size_t n : cut.norms) {
      if (cuts_norms || cut.what->select_reads_one_norm) out.layers[n].width = width;
      if (width == 0) out.layers[n].removed = true;
    }
    for (const size_t n : cut.carried) {
      out.layers[n].width = width;
      Bits kept(out.alive[n].size());
      for (const int64_t c : plan.kept) kept[c] = out.alive[n][c];
      out.alive[n] = std::move(kept);
      // Its own best channel may be one that the cut drops, and a layer of zeros never learns.
      if (!exact && width > 0 && count(out.alive[n]) == 0) revive(n, widths.best(n, plan.kept));
    }
    out.cfg[cut.what->cfg_entry] = width;
    out.cuts.push_back(std::move(plan));
  }
  for (size_t n = 0; n < out.layers.size(); ++n) {
    out.layers[n].kept = count(out.alive[n]);
    const size_t entry = description.batch_norms[n].cfg_note;
    if (entry != NormLayer::kNone) out.cfg[entry] = std::max<int64_t>(1, out.layers[n].kept);
  }
  std::erase(out.cfg, 0);
  return out;
}

}  // namespace earlybird
