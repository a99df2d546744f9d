// Each criterion against its formula in plain LibTorch, on networks with and without residual streams.
#include "prune/scores.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "check.h"
#include "core/error.h"
#include "layer/layers.h"
#include "model/network.h"
#include "prune/gradients.h"
#include "prune/mask.h"
#include "prune/score_networks.h"
#include "prune/score_pass.h"

namespace {

using namespace earlybird;
using Layers = std::vector<at::Tensor>;
using State = std::map<std::string, at::Tensor>;

State parameters_of(const Network& network) {
  State out;
  for (const auto& entry : network.named_parameters()) out[entry.key()] = entry.value();
  return out;
}

std::vector<float> scores_of(Network& network, const std::string& criterion, Fixed* images = nullptr) {
  ScoreOptions options{criterion, 5};
  if (images) options.images = {images, 5, static_cast<int64_t>(images->batches_.size()), 8};
  return channel_scores(network, options, CancelToken());
}

/// The largest difference to `expected`, in units of the largest score of its layer.
double difference(const std::vector<float>& scores, const Layers& expected) {
  double worst = 0;
  size_t next = 0;
  for (const at::Tensor& layer : expected) {
    const at::Tensor values = layer.to(at::kDouble).contiguous();
    const double most = values.abs().max().item<double>();
    for (int64_t c = 0; c < values.numel(); ++c)
      worst = std::max(worst, std::abs(scores.at(next++) - values[c].item<double>()) / most);
  }
  return next == scores.size() ? worst : INFINITY;
}

/// The filters of a channel, the rows of all convolutions whose sum enters its BN layer.
std::vector<at::Tensor> rows_of(const State& state, const NormLayer& norm, int64_t channel) {
  std::vector<at::Tensor> out;
  for (const std::string& key : norm.sources.front())
    out.push_back(state.at(key + ".weight")[channel].detach().to(at::kDouble).flatten());
  return out;
}

template <class Score>
Layers each_channel(const Network& network, const Score& score) {
  const State state = parameters_of(network);
  Layers out;
  for (const NormLayer& norm : network.describe().batch_norms) {
    at::Tensor layer = at::zeros({norm.channels}, at::kDouble);
    for (int64_t c = 0; c < norm.channels; ++c) layer[c] = score(state, norm, c);
    out.push_back(layer);
  }
  return out;
}

Layers over_mean(Layers layers) {
  for (at::Tensor& layer : layers) layer = layer / layer.mean();
  return layers;
}

/// Gradients of the mean loss over a batch with LibTorch's operators, by key.
State gradients_of(Network& network, const Batch& batch) {
  const StateGuard state(network);
  const PlainLayersGuard plain;
  network.train();
  network.zero_grad();
  at::cross_entropy_loss(network.forward(batch.images), batch.labels).backward();
  State out;
  for (const auto& entry : network.named_parameters()) out[entry.key()] = entry.value().grad().clone();
  network.zero_grad();
  return out;
}

at::Tensor gate(const State& weights, const State& slopes, const std::string& key, int64_t c) {
  const auto one = [&](const std::string& field) {
    return weights.at(key + field)[c].detach().to(at::kDouble) * slopes.at(key + field)[c].to(at::kDouble);
  };
  return one(".weight") + one(".bias");
}

}  // namespace

EB_TEST("scores: a description says which convolutions enter each BN layer") {
  const auto network = network_of("resnet", 20);
  std::vector<std::string> last = network->describe().batch_norms.back().sources.front();
  check(last == std::vector<std::string>{"layer3.0.downsample.0", "layer3.0.conv3", "layer3.1.conv3"},
        "the stream of a PreResNet", static_cast<double>(last.size()));
  for (const auto& one : networks())
    for (const NormLayer& norm : one->describe().batch_norms)
      for (const std::string& key : norm.sources.front())
        check(parameters_of(*one).at(key + ".weight").size(0) == norm.channels, norm.key + " reads " + key, 0);
}

EB_TEST("scores: criteria of weights are those of their formulas") {
  at::NoGradGuard no_grad;
  for (const auto& network : networks()) {
    const auto norm = [](double p) {
      return [p](const State& state, const NormLayer& layer, int64_t c) {
        at::Tensor sum = at::zeros({}, at::kDouble);
        for (const at::Tensor& row : rows_of(state, layer, c)) sum = sum + row.abs().pow(p).sum();
        return sum.pow(1 / p);
      };
    };
    const auto distances = [](const State& state, const NormLayer& layer, int64_t c) {
      at::Tensor sum = at::zeros({}, at::kDouble);
      const auto own = rows_of(state, layer, c);
      for (int64_t other = 0; other < layer.channels; ++other) {
        at::Tensor square = at::zeros({}, at::kDouble);
        const auto rows = rows_of(state, layer, other);
        for (size_t i = 0; i < own.size(); ++i) square = square + (own[i] - rows[i]).square().sum();
        sum = sum + square.sqrt();
      }
      return sum;
    };
    const double gamma =
        difference(scores_of(*network, "gamma"), each_channel(*network, [](auto& state, auto& layer, int64_t c) {
                     return state.at(layer.key + ".weight")[c].abs();
                   }));
    check(gamma == 0, "gamma", gamma);
    const double l1 = difference(scores_of(*network, "l1"), over_mean(each_channel(*network, norm(1))));
    check(l1 < 1e-6, "l1", l1);
    const double l2 = difference(scores_of(*network, "l2"), over_mean(each_channel(*network, norm(2))));
    check(l2 < 1e-6, "l2", l2);
    if (network->describe().arch != "resnet18") {  // a million pairs of long rows
      const double fpgm = difference(scores_of(*network, "fpgm"), over_mean(each_channel(*network, distances)));
      check(fpgm < 1e-6, "fpgm", fpgm);
    }
    Layers lamp = each_channel(*network, norm(2));
    for (at::Tensor& layer : lamp) {
      const at::Tensor squares = layer.square();
      layer = squares / at::where(squares.unsqueeze(0) >= squares.unsqueeze(1), squares.unsqueeze(0), 0.0).sum(1);
    }
    const double lamps = difference(scores_of(*network, "lamp"), lamp);
    check(lamps < 1e-6, "lamp", lamps);
  }
}

EB_TEST("scores: random ones are uniform, and others for another seed") {
  const auto network = network_of("resnet18", 18);
  const std::vector<float> first = scores_of(*network, "random"), again = scores_of(*network, "random");
  const std::vector<float> other = channel_scores(*network, {"random", 6}, CancelToken());
  check(first == again, "the same seed", 0);
  check(first != other, "another seed", 0);
  double sum = 0;
  for (const float one : first) {
    check(one > 0 && one < 1, "inside (0, 1)", one);
    sum += one;
  }
  const double mean = sum / static_cast<double>(first.size());
  check(std::abs(mean - 0.5) < 0.02, "their mean", mean);
}

EB_TEST("scores: criteria of gradients are those of their formulas, and change nothing") {
  at::manual_seed(7);
  Fixed images(batches_of({6, 5}));
  for (const auto& network : networks()) {
    std::vector<at::Tensor> before;
    for (const auto& [key, tensor] : state_of(*network)) before.push_back(tensor.detach().clone());
    const std::vector<float> taylor = scores_of(*network, "taylor", &images),
                             snip = scores_of(*network, "snip", &images);
    const std::vector<float> grasp = scores_of(*network, "grasp", &images), synflow = scores_of(*network, "synflow");
    size_t i = 0;
    for (const auto& [key, tensor] : state_of(*network))
      check(at::equal(tensor, before[i++]), key + " is as before", 0);
    for (const at::Tensor& parameter : network->parameters())
      check(!parameter.grad().defined(), "no gradient stays", 0);
    check(taylor == scores_of(*network, "taylor", &images), "the same bits again", 0);

    std::vector<State> each;
    for (const Batch& batch : images.batches_) each.push_back(gradients_of(*network, batch));
    const double taylors = difference(
        taylor, each_channel(*network, [&](const State& state, const NormLayer& layer, int64_t c) {
          return (gate(state, each[0], layer.key, c).square() + gate(state, each[1], layer.key, c).square()) / 2;
        }));
    check(taylors < 1e-3, "taylor", taylors);

    State mean;
    for (const auto& [key, slope] : each[0]) mean[key] = (6 * slope + 5 * each[1].at(key)) / 11;
    const double snips =
        difference(snip, each_channel(*network, [&](const State& state, const NormLayer& layer, int64_t c) {
                     at::Tensor sum = at::zeros({}, at::kDouble);
                     for (const std::string& key : layer.sources.front())
                       sum = sum + (state.at(key + ".weight")[c].detach() * mean.at(key + ".weight")[c]).abs().sum();
                     return sum;
                   }));
    check(snips < 1e-3, "snip", snips);
    check(*std::min_element(grasp.begin(), grasp.end()) < 0, "grasp has a sign", 0);
  }
}

EB_TEST("scores: a product with the Hessian keeps the law of layers whose scale does not count") {
  at::manual_seed(8);
  const auto network = network_of("vgg", 11, {6, M, 8, M, 9, 7, M, 10, M, 12});
  Fixed images(batches_of({8}));
  const Batch& batch = images.batches_.front();
  const State g = gradients_of(*network, batch);
  std::vector<at::Tensor> vector;
  for (const auto& entry : network->named_parameters()) vector.push_back(g.at(entry.key()));
  const std::vector<at::Tensor> product = Gradients(*network, {&images, 5, 1, 8}, CancelToken()).hessian_times(vector);
  State exact;
  size_t next = 0;
  for (const auto& entry : network->named_parameters()) exact[entry.key()] = product[next++];

  // BatchNorm makes the loss independent of the scale of a filter w, so that w . (Hg)(w) = -|g(w)|^2, but for its eps.
  const State weights = parameters_of(*network);
  for (const NormLayer& norm : network->describe().batch_norms) {
    const std::string key = norm.sources.front().front() + ".weight";
    const at::Tensor left = (weights.at(key).detach() * exact.at(key)).flatten(1).sum(1);
    const at::Tensor right = -g.at(key).square().flatten(1).sum(1);
    const double away = ((left - right).abs().max() / right.abs().max()).item<double>();
    check(away < 0.02, "the filters of " + norm.key, away);
  }
}

EB_TEST("scores: a product with the Hessian of a ticket is that of float64, also behind its selections") {
  at::manual_seed(9);
  Cfg narrow = network_of("resnet", 11)->describe().cfg;
  for (int64_t& width : narrow) width = (width + 1) / 2;
  const Batch batch = batches_of({8}).front();
  const auto product_in = [&](at::ScalarType type) {
    const auto network = network_of("resnet", 11, narrow);
    network->to(type);
    Fixed images({{batch.images.to(type), batch.labels}});
    std::vector<at::Tensor> vector;
    for (const at::Tensor& parameter : network->parameters()) vector.push_back(parameter.detach().cos());
    return Gradients(*network, {&images, 5, 1, 8}, CancelToken()).hessian_times(vector);
  };
  const std::vector<at::Tensor> ours = product_in(at::kFloat), truth = product_in(at::kDouble);
  for (size_t i = 0; i < truth.size(); ++i) {
    const double away = ((ours[i] - truth[i]).norm() / truth[i].norm()).item<double>();
    check(away < 0.02, "parameter " + std::to_string(i), away);
  }
}

EB_TEST("scores: the synaptic flow into a channel is the flow out of it") {
  for (const auto& network : {networks()[0], networks()[1]}) {
    const std::vector<float> flow = scores_of(*network, "synflow");
    const StateGuard state(*network);
    {
      at::NoGradGuard no_grad;
      for (auto& entry : network->named_parameters())
        entry.key().ends_with("bias") ? entry.value().zero_() : entry.value().abs_();
      for (const auto& [key, tensor] : state_of(*network))
        if (key.ends_with("running_mean")) tensor.zero_();
    }
    network->eval();
    network->zero_grad();
    network->forward(at::ones({1, 3, 32, 32})).sum().backward();
    // The score is that of a filter and, where one convolution alone enters the layer, of its gamma: both scale the
    // same channel.
    const State weights = parameters_of(*network);
    const std::vector<NormLayer> norms = network->describe().batch_norms;
    Layers of_filters, of_gammas;
    double most = 0;
    for (const NormLayer& norm : norms) {
      at::Tensor sum = at::zeros({norm.channels}, at::kDouble);
      for (const std::string& key : norm.sources.front())
        sum = sum + (weights.at(key + ".weight").detach() * weights.at(key + ".weight").grad()).flatten(1).sum(1);
      of_filters.push_back(sum);
      of_gammas.push_back(weights.at(norm.key + ".weight").detach() * weights.at(norm.key + ".weight").grad());
      most = std::max(most, sum.max().item<double>());
    }
    for (Layers* layers : {&of_filters, &of_gammas})
      for (at::Tensor& layer : *layers) layer = layer / most;
    const double away = difference(flow, of_filters);
    check(away < 1e-4, "by its formula", away);
    if (network->describe().arch == "vgg") {
      const double between = difference(flow, of_gammas);
      check(between < 1e-4, "of filters and gammas", between);
    }
    network->zero_grad();
  }
}

EB_TEST("scores: the synaptic flow of a deep network is finite") {
  const std::vector<float> flow = scores_of(*network_of("resnet", 164), "synflow");
  check(*std::max_element(flow.begin(), flow.end()) == 1, "over the largest", 0);
}

EB_TEST("scores: what is not finite, unknown or without images is refused by name") {
  const auto refused = [](Network& network, const std::string& criterion, const std::string& code,
                          const std::string& part) {
    try {
      scores_of(network, criterion);
    } catch (const Error& error) {
      check(error.code() == code && std::string(error.what()).find(part) != std::string::npos, error.what(), 0);
      return;
    }
    check(false, criterion + " was not refused", 0);
  };
  const auto network = network_of("vgg", 11, {6, M, 8, M, 9, 7, M, 10, M, 12});
  refused(*network, "hamming", "ERR_USAGE", "hamming");
  refused(*network, "taylor", "ERR_USAGE", "training images");
  {
    at::NoGradGuard no_grad;
    parameters_of(*network).at("feature.4.weight")[2].fill_(NAN);
  }
  refused(*network, "l2", "ERR_NUMERIC", "feature.5");
}

EB_TEST("scores: masks keep the largest, also below zero") {
  at::NoGradGuard no_grad;
  const auto network = network_of("vgg", 11, {3, M, 2, M, 2, M, 2, M, 1});
  const std::vector<float> scores = {-3, -1, 2, -0.0f, 0, 5, -2, 1, -4, 3};
  const Mask mask = masks(*network, {0.5}, {.scores = scores}).front();
  // The scores ascend as -4 -3 -2 -1 -0 0 1 2 3 5; the threshold is at place 5.
  check(mask.threshold == 0, "threshold", mask.threshold);
  check(mask.bits == std::vector<uint8_t>{0b00100101, 0b01000000}, "bits", mask.bits[0]);
  const Mask low = masks(*network, {0.2}, {.scores = scores}).front();
  check(low.threshold == -2, "a threshold below zero", low.threshold);
  check(low.kept == 7, "kept", static_cast<double>(low.kept));

  const std::vector<float> gammas = scores_of(*network, "gamma");
  check(masks(*network, {0.3}, {.scores = gammas}).front().bits == masks(*network, {0.3}).front().bits, "of |gamma|",
        0);
  check(masks(*network, {0.3}, {.protective = true, .scores = gammas}).front().bits ==
            masks(*network, {0.3}, {.protective = true}).front().bits,
        "protective", 0);
}

EB_TEST("prune: a uniform mask takes the same share out of every layer that goes alone, and soft pruning zeroes it") {
  at::NoGradGuard no_grad;
  for (const auto& network : networks()) {
    const ModelDescription description = network->describe();
    const std::vector<float> scores = scores_of(*network, "l2");
    const Mask mask = masks(*network, {0.4}, {.uniform = true, .scores = scores}).front();
    soft_prune(*network, 0.4);
    const State after = parameters_of(*network);
    int64_t first = 0;
    for (size_t n = 0; n < description.batch_norms.size(); ++n) {
      const NormLayer& norm = description.batch_norms[n];
      const bool alone = std::any_of(description.cuts.begin(), description.cuts.end(), [&](const ChannelCut& cut) {
        return goes_alone(cut) && cut.norms.front() == norm.key;
      });
      const int64_t dropped = alone ? norm.channels * 2 / 5 : 0;
      check(mask.kept_per_layer[n] == norm.channels - dropped, norm.key, static_cast<double>(mask.kept_per_layer[n]));
      std::vector<float> ascending(scores.begin() + first, scores.begin() + first + norm.channels);
      std::sort(ascending.begin(), ascending.end());
      for (int64_t c = 0; c < norm.channels; ++c) {
        const bool low = dropped > 0 && scores[first + c] <= ascending[dropped - 1];
        const bool kept = mask.bits[(first + c) / 8] >> (7 - (first + c) % 8) & 1;
        check(kept != low, norm.key + " loses its smallest", scores[first + c]);
        const bool zero = alone && after.at(norm.sources.front().front() + ".weight")[c].eq(0).all().item<bool>();
        check(zero == low, norm.key + ": the filters of those are 0", zero);
      }
      first += norm.channels;
    }
  }
}
