// ThiNet: the contributions of channels to the next layer, and the order in which they go.
#include "prune/reconstruction.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>

#include "check.h"
#include "dist/two_ranks.h"
#include "prune/score_networks.h"

namespace {

using namespace earlybird;

/// The order by its definition: the sum of squares of the removed channels' sum, computed anew for each candidate.
std::vector<int64_t> order_by_hand(const at::Tensor& x) {
  std::vector<int64_t> order;
  at::Tensor removed = at::zeros({x.size(0)}, at::kDouble);
  std::vector<bool> gone(x.size(1), false);
  for (int64_t step = 0; step < x.size(1); ++step) {
    int64_t best = -1;
    double least = 0;
    for (int64_t c = 0; c < x.size(1); ++c) {
      if (gone[c]) continue;
      const double error = (removed + x.select(1, c)).square().sum().item<double>();
      if (best < 0 || error < least) best = c, least = error;
    }
    gone[best] = true;
    order.push_back(best);
    removed += x.select(1, best);
  }
  return order;
}

/// A channel of each cut that is zero wherever it is read.
void silence(Network& network, const ModelDescription& description, int64_t channel) {
  at::NoGradGuard no_grad;
  auto parameters = network.named_parameters();
  for (const ChannelCut& cut : description.cuts)
    for (const std::string& norm : cut.norms)
      for (const char* field : {".weight", ".bias"}) parameters[norm + field][channel] = 0;
}

}  // namespace

EB_TEST("scores: what channels add to a layer sums up to its output") {
  at::manual_seed(2);
  for (const auto& [kernel, stride, padding] : std::vector<std::array<int64_t, 3>>{{3, 1, 1}, {3, 2, 1}, {1, 2, 0}}) {
    const at::Tensor images = at::randn({4, 5, 9, 8}).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor weight = at::randn({7, 5, kernel, kernel});
    const at::Tensor output = at::conv2d(images, weight, {}, stride, padding);
    const auto draw = [](int64_t size) { return at::randint(size, {50}, at::kLong); };
    const OutputPlaces at{draw(4), draw(7), draw(output.size(2)), draw(output.size(3))};
    const at::Tensor added = contributions(images, weight, stride, padding, at);
    const double off = (added.sum(1) - output.index({at.n, at.o, at.h, at.w})).abs().max().item<double>();
    check(off < 1e-5, "their sum, kernel " + std::to_string(kernel), off);
  }
}

EB_TEST("scores: channels go in the order of the smallest sum of squares") {
  at::manual_seed(4);
  for (const int64_t channels : {1, 2, 9, 20}) {
    // Some channels nearly cancel others, so that single sizes are no guide.
    at::Tensor x = at::randn({60, channels}, at::kDouble);
    for (int64_t c = 0; c + 1 < channels; c += 3) x.select(1, c).copy_(-0.9 * x.select(1, c + 1));
    const bool equal = removal_order(x.t().mm(x)) == order_by_hand(x);
    check(equal, "order of " + std::to_string(channels), channels);
  }
}

EB_TEST("scores: a rank without images takes part in those of ThiNet") {
  std::vector<at::Tensor> scores[2];
  const std::shared_ptr<Network> network[] = {networks()[0], networks()[0]};
  at::manual_seed(6);
  const Batches all = batches_of({8, 1});
  Fixed images[] = {Fixed(all), Fixed({all[0], {all[1].images.narrow(0, 0, 0), all[1].labels.narrow(0, 0, 0)}})};
  two_ranks([&](const std::shared_ptr<Group>& group) {
    const int rank = group->rank();
    network[rank]->ranks = group;
    scores[rank] = thinet_scores(*network[rank], network[rank]->describe(), {&images[rank], 5, 2, 8}, CancelToken());
    network[rank]->ranks.reset();
  });
  check(!scores[0].empty() && scores[0].size() == scores[1].size(), "scores of each layer", 0);
  for (size_t i = 0; i < scores[0].size(); ++i) check(at::equal(scores[0][i], scores[1][i]), "the same on both", 0);
}

EB_TEST("scores: the first channel that ThiNet takes out of each layer is the one that adds nothing") {
  Fixed images(batches_of({8, 8}));
  for (const auto& network : networks()) {
    const ModelDescription description = network->describe();
    constexpr int64_t kSilent = 0;  // the first of all that add nothing, of which small networks have several
    silence(*network, description, kSilent);
    std::map<std::string, at::Tensor> before;
    for (const auto& [key, tensor] : state_of(*network)) before[key] = tensor.clone();
    const auto scores = thinet_scores(*network, description, {&images, 5, 2, 8}, CancelToken());
    bool same = true;
    for (const auto& [key, tensor] : state_of(*network)) same = same && at::equal(tensor, before.at(key));
    check(same, description.arch + ": nothing changes", 0);
    for (size_t i = 0; i < scores.size(); ++i) {
      const auto reads = [&](const ChannelCut& cut) {
        return std::count(cut.norms.begin(), cut.norms.end(), description.batch_norms[i].key) > 0;
      };
      if (std::none_of(description.cuts.begin(), description.cuts.end(), reads)) continue;  // it stays whole
      const std::string name = description.arch + " " + description.batch_norms[i].key;
      check(scores[i].argmin().item<int64_t>() == kSilent, name, scores[i].argmin().item<double>());
      const auto places = std::get<0>(scores[i].sort());
      const int64_t channels = description.batch_norms[i].channels;
      check(at::allclose(places * channels, at::arange(1, channels + 1, at::kDouble)), name + ": places", 0);
    }
  }
}
