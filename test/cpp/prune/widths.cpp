// --round-to auto: widths by a given table of costs.
#include "prune/widths.h"

#include "check.h"
#include "layer/conv/choice.h"
#include "prune/plan.h"

namespace {

using earlybird::ChannelCut;
using earlybird::LayerInfo;
using earlybird::ModelDescription;
using earlybird::WidthCosts;

const std::vector<std::string> kKeys = {"a", "b", "c"};

/// Three 3x3 convolutions of 64 channels, the first two of which are cut.
ModelDescription chain() {
  ModelDescription out;
  for (const std::string& key : kKeys)
    out.layers.push_back(
        {.kind = LayerInfo::Kind::kConv, .key = key, .in = 64, .out = 64, .kernel = 3, .height = 16, .width = 16});
  for (size_t i = 0; i < 2; ++i) {
    out.batch_norms.push_back({.key = "norm." + kKeys[i], .channels = 64});
    out.cuts.push_back(
        {.norms = {"norm." + kKeys[i]}, .producers = {kKeys[i]}, .consumers = {kKeys[i + 1]}, .cfg_entry = i});
  }
  out.ticket_cfg = {64, 64};
  return out;
}

/// The same costs for every class of float32.
WidthCosts costs_of(const std::array<double, 4>& each) {
  WidthCosts out;
  for (int i = 0; i < earlybird::ShapeClass::kCount / 2; ++i) out[earlybird::ShapeClass(i).name()] = each;
  return out;
}

int64_t chosen(const std::array<double, 4>& costs, int64_t width, int64_t most = 64) {
  const ModelDescription description = chain();
  return earlybird::FastestWidths(description, costs_of(costs)).instead_of(description.cuts[0], width, most);
}

/// Gammas by which the first layer keeps `a` channels and the second `b`.
earlybird::PrunePlan planned(int64_t a, int64_t b, const earlybird::PruneOptions& options) {
  const ModelDescription description = chain();
  earlybird::PruneInput input{{std::vector<float>(64), std::vector<float>(64)}, {{}, {}}};
  std::vector<uint8_t> mask(16);
  for (int64_t c = 0; c < 64; ++c)
    for (int64_t n = 0; n < 2; ++n) {
      input.scores[n][c] = static_cast<float>(64 - c) + 0.5f * static_cast<float>(n);
      if (c < (n == 0 ? a : b)) mask[(n * 64 + c) / 8] |= 0x80 >> (c % 8);
    }
  return plan_pruning(description, input, mask, options);
}

}  // namespace

EB_TEST("prune: a width becomes the multiple that is faster, and no other") {
  check(chosen({1, 1, 1, 1}, 37) == 37, "equal costs: as it is", 0);
  check(chosen({2, 1, 1, 1}, 37) == 40, "the next multiple of 8", 0);
  check(chosen({2, 1.9, 1, 1}, 37) == 48, "the next multiple of 16, where only that is fast", 0);
  check(chosen({2, 1.9, 1.9, 1}, 37) == 64, "of 32", 0);
  check(chosen({1.1, 1, 1, 1}, 37) == 37, "37 x 1.1 against 40: no gain of a twentieth", 0);
  check(chosen({2, 1, 1, 1}, 40) == 40, "a multiple stays", 0);
  check(chosen({2, 1, 1, 1}, 37, 38) == 37, "38 channels are as odd as 37", 0);
  check(chosen({2, 1, 1, 1}, 0) == 1, "never none", 0);
  check(chosen({10, 0, 0, 0}, 13) == 13, "a class without such widths", 0);
  const ModelDescription description = chain();
  check(earlybird::FastestWidths(description, {}).instead_of(description.cuts[0], 37, 64) == 37, "nothing known", 0);
}

EB_TEST("prune: widths by costs stay within the channels of the mask") {
  earlybird::PruneOptions options;
  options.width_costs = costs_of({2, 1, 1, 1});
  for (const auto& [a, b] : {std::pair<int64_t, int64_t>{37, 21}, {13, 60}, {5, 9}, {64, 33}, {8, 16}}) {
    const earlybird::PrunePlan plan = planned(a, b, options);
    const int64_t kept = plan.cfg[0] + plan.cfg[1];
    check(kept <= a + b, "channels of " + std::to_string(a) + " and " + std::to_string(b), static_cast<double>(kept));
    for (const int64_t width : plan.cfg)
      check(width <= 4 || width % 8 == 0, "8 channels cost less than 5", static_cast<double>(width));
  }
  options.width_costs = costs_of({1, 1, 1, 1});
  const earlybird::PrunePlan plain = planned(37, 21, options);
  check(plain.cfg == earlybird::Cfg({37, 21}), "where rounding does not pay the ticket is that of the mask", 0);
  options.width_costs = earlybird::WidthCosts{};
  check(planned(37, 21, options).cfg == earlybird::Cfg({37, 21}), "without costs as well", 0);
}
