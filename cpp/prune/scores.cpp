#include "prune/scores.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/error.h"
#include "core/philox.h"
#include "layer/channel_select.h"
#include "layer/layers.h"
#include "model/network.h"
#include "prune/gradients.h"
#include "prune/mask.h"
#include "prune/reconstruction.h"

namespace earlybird {
namespace {

/// A value for each parameter of a network, by key.
using ByKey = std::map<std::string, at::Tensor>;

/// The input of a criterion. Sums are taken in double, so that they do not depend on their order.
struct Scored {
  Network& network;
  const ScoreOptions& options;
  const CancelToken& cancel;
  ModelDescription description;
  std::vector<std::string> keys;
  ByKey parameters;

  ByKey by_key(const std::vector<at::Tensor>& values) const {
    ByKey out;
    for (size_t i = 0; i < keys.size(); ++i) out[keys[i]] = values[i];
    return out;
  }

  Gradients gradients() const { return {network, options.images, cancel}; }
};

/// The filters of the channels of a layer, one a row, with the values that `of` has for their weights. Shorter ones end
/// in zeros.
at::Tensor filters(const NormLayer& norm, const ByKey& of) {
  std::vector<at::Tensor> parts;
  int64_t longest = 0;
  for (const auto& sources : norm.sources) {
    std::vector<at::Tensor> rows;
    for (const std::string& source : sources) rows.push_back(of.at(source + ".weight").flatten(1));
    parts.push_back(at::cat(rows, 1).to(at::kDouble));
    longest = std::max(longest, parts.back().size(1));
  }
  for (at::Tensor& part : parts)
    if (part.size(1) < longest) part = at::constant_pad_nd(part, {0, longest - part.size(1)});
  return parts.size() == 1 ? parts.front() : at::cat(parts, 0);
}

/// gamma and beta of a layer times the values of `other` for them: the derivative of a gate on each channel.
at::Tensor gates(const NormLayer& norm, const ByKey& own, const ByKey& other) {
  const auto product = [&](const char* field) {
    return own.at(norm.key + field).to(at::kDouble) * other.at(norm.key + field).to(at::kDouble);
  };
  return product(".weight") + product(".bias");
}

using Layers = std::vector<at::Tensor>;

template <class Score>
Layers each_layer(const Scored& what, const Score& score) {
  Layers out;
  for (const NormLayer& norm : what.description.batch_norms) out.push_back(score(norm));
  return out;
}

/// Layers differ in the size of their filters, so that scores are compared as multiples of their layer's mean.
at::Tensor over_mean(const at::Tensor& scores) { return scores / scores.mean().clamp_min(1e-300); }

/// |gamma|: network slimming (Liu et al., ICCV 2017), as Early-Bird tickets have it (You et al., ICLR 2020).
Layers gamma(const Scored& what) {
  return each_layer(what, [&](const NormLayer& norm) { return what.parameters.at(norm.key + ".weight").abs(); });
}

/// sum |w|: Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, section 3.1.
Layers l1(const Scored& what) {
  return each_layer(what,
                    [&](const NormLayer& norm) { return over_mean(filters(norm, what.parameters).abs().sum(1)); });
}

/// The Euclidean norm of the filter: He et al., "Soft Filter Pruning", IJCAI 2018, equation 2.
Layers l2(const Scored& what) {
  return each_layer(
      what, [&](const NormLayer& norm) { return over_mean(filters(norm, what.parameters).square().sum(1).sqrt()); });
}

/// The sum of the Euclidean distances to the other filters of the layer: He et al., "Filter Pruning via Geometric
/// Median", CVPR 2019, equation 6.
Layers fpgm(const Scored& what) {
  return each_layer(what, [&](const NormLayer& norm) {
    const at::Tensor rows = filters(norm, what.parameters);
    const at::Tensor squares = rows.square().sum(1);
    const at::Tensor apart = squares.unsqueeze(0) + squares.unsqueeze(1) - 2 * rows.mm(rows.t());
    return over_mean(apart.clamp_min(0).fill_diagonal_(0).sqrt().sum(1));
  });
}

/// The squared norm of a filter over the sum of those of its layer that are not smaller: Lee et al., "Layer-adaptive
/// Sparsity for the Magnitude-based Pruning", ICLR 2021, equation 1, of filters instead of single weights.
Layers lamp(const Scored& what) {
  return each_layer(what, [&](const NormLayer& norm) {
    const at::Tensor squares = filters(norm, what.parameters).square().sum(1);
    const auto [ascending, order] = squares.sort(/*stable=*/true, 0, false);
    const at::Tensor rest = ascending.flip(0).cumsum(0).flip(0).clamp_min(1e-300);
    return at::empty_like(squares).index_copy_(0, order, ascending / rest);
  });
}

/// The mean over batches of (g(gamma) gamma + g(beta) beta)^2: Molchanov et al., "Importance Estimation for Neural
/// Network Pruning", CVPR 2019, Taylor-FO of a gate behind BatchNorm (section 4). The filters before BatchNorm would
/// not do: the loss does not depend on their scale, so that the sum of g w over a filter is 0.
Layers taylor(const Scored& what) {
  Layers sum;
  int64_t batches = 0;
  what.gradients().each([&](const std::vector<at::Tensor>& gradients) {
    const ByKey g = what.by_key(gradients);
    const Layers one =
        each_layer(what, [&](const NormLayer& norm) { return gates(norm, what.parameters, g).square(); });
    for (size_t i = 0; batches > 0 && i < sum.size(); ++i) sum[i] = sum[i] + one[i];
    if (batches++ == 0) sum = one;
  });
  for (at::Tensor& layer : sum) layer = layer / static_cast<double>(batches);
  return sum;
}

/// Uniform in (0, 1), the same for every epoch.
Layers random(const Scored& what) {
  uint64_t channel = 0;
  return each_layer(what, [&](const NormLayer& norm) {
    const at::Tensor out = at::empty({norm.channels}, at::kDouble);
    for (int64_t c = 0; c < norm.channels; ++c)
      out.mutable_data_ptr<double>()[c] =
          (philox(what.options.seed, Purpose::kScore, 0, channel++).word[0] >> 9) * 0x1p-23 + 0x1p-24;
    return out;
  });
}

/// sum |g w| over the filter: Lee et al., "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR
/// 2019, equation 4, summed over the connections of a channel.
Layers snip(const Scored& what) {
  const ByKey g = what.by_key(what.gradients().mean());
  return each_layer(
      what, [&](const NormLayer& norm) { return (filters(norm, g) * filters(norm, what.parameters)).abs().sum(1); });
}

/// gamma (Hg)(gamma) + beta (Hg)(beta), H the Hessian: how much the gradient flow falls with the channel; Wang et al.,
/// "Picking Winning Tickets Before Training by Preserving Gradient Flow", ICLR 2020, equation 8, with the sign turned
/// so that the largest are kept. It uses gamma and beta, which the mask takes: summed over a filter before BatchNorm,
/// on whose scale the loss does not depend, it would be -|g|^2.
Layers grasp(const Scored& what) {
  Gradients gradients = what.gradients();
  const ByKey hg = what.by_key(gradients.hessian_times(gradients.mean()));
  return each_layer(what, [&](const NormLayer& norm) { return gates(norm, what.parameters, hg); });
}

/// A network of the same weights that computes in double.
std::shared_ptr<Network> in_double(const Network& network, const ModelDescription& description) {
  ModelSpec spec = spec_of(description);
  spec.device = device_of(network);
  auto out = create_model(spec);
  const auto from = state_of(network), to = state_of(*out);
  for (size_t i = 0; i < from.size(); ++i) {
    at::Tensor copy = to[i].second;
    copy.copy_(from[i].second);
  }
  refresh_selections(*out);
  out->to(at::kDouble);
  return out;
}

/// sum |w| dR/d|w| over the filter, R the sum of the outputs for an image of ones in a network of absolute weights
/// without biases: Tanaka et al., "Pruning Neural Networks without any Data by Iteratively Conserving Synaptic Flow",
/// NeurIPS 2020, equation 2, in one step instead of a hundred. BatchNorm divides by its running deviation and subtracts
/// nothing. Computed in double, because R grows with every layer, and divided by the largest score of all.
Layers synflow(const Scored& what) {
  std::shared_ptr<Network> network;
  {
    at::NoGradGuard no_grad;
    network = in_double(what.network, what.description);
    for (auto& [key, tensor] : state_of(*network)) {
      at::Tensor value = tensor;
      if (key.ends_with(".bias") || key.ends_with(".running_mean"))
        value.zero_();
      else if (key.ends_with(".weight"))
        value.abs_();
    }
  }
  network->eval();
  const std::vector<at::Tensor> weights = network->parameters();
  const int64_t* size = what.description.input;
  const at::Tensor ones = at::ones({1, size[0], size[1], size[2]}, weights.front().options().requires_grad(false))
                              .contiguous(at::MemoryFormat::ChannelsLast);
  const PlainLayersGuard plain;
  const ByKey slope = what.by_key(torch::autograd::grad({network->forward(ones).sum()}, weights));
  at::NoGradGuard no_grad;
  const ByKey own = what.by_key(weights);
  Layers out =
      each_layer(what, [&](const NormLayer& norm) { return (filters(norm, slope) * filters(norm, own)).sum(1); });
  const at::Tensor most = at::cat(out).max().clamp_min(1e-300);
  for (at::Tensor& layer : out) layer = layer / most;
  return out;
}

Layers thinet(const Scored& what) {
  return thinet_scores(what.network, what.description, what.options.images, what.cancel);
}

struct Criterion {
  const char* name;
  Layers (*score)(const Scored&);
  bool needs_images = false, differentiates = false;
};

constexpr Criterion kCriteria[] = {
    {"gamma", gamma},
    {"l1", l1},
    {"l2", l2},
    {"fpgm", fpgm},
    {"lamp", lamp},
    {"random", random},
    {"taylor", taylor, true, true},
    {"snip", snip, true, true},
    {"grasp", grasp, true, true},
    {"synflow", synflow, false, true},
    {"thinet", thinet, true},
};

const Criterion& criterion_named(const std::string& name) {
  const auto found =
      std::find_if(std::begin(kCriteria), std::end(kCriteria), [&](const Criterion& one) { return name == one.name; });
  if (found == std::end(kCriteria)) throw Error("ERR_USAGE", "There is no criterion " + name + ".");
  return *found;
}

/// Gives channels that the selection behind a BN layer does not take the lowest score of all layers.
void lower_removed(const Scored& what, Layers& layers) {
  const std::vector<RemovedChannels> removed = removed_channels(what.network, what.description);
  if (removed.empty()) return;
  double lowest = 0;
  for (const at::Tensor& scores : layers) lowest = std::min(lowest, scores.min().item<double>());
  for (const auto& [norm, mask] : removed)
    layers[norm] = layers[norm].masked_fill(mask.to(layers[norm].device()), lowest);
}

}  // namespace

std::vector<float> channel_scores(Network& network, const ScoreOptions& options, const CancelToken& cancel) {
  const Criterion& criterion = criterion_named(options.criterion);
  if (criterion.needs_images && !options.images.dataset)
    throw Error("ERR_USAGE", "Criterion " + options.criterion + " needs training images.");
  Scored what{network, options, cancel, network.describe(), {}, {}};
  for (const auto& entry : network.named_parameters()) {
    what.keys.push_back(entry.key());
    what.parameters[entry.key()] = entry.value();
  }
  Layers layers;
  {
    const at::AutoGradMode mode(criterion.differentiates);
    layers = criterion.score(what);
  }
  at::NoGradGuard no_grad;
  lower_removed(what, layers);
  std::vector<float> out;
  for (size_t n = 0; n < layers.size(); ++n) {
    const at::Tensor scores = layers[n].detach().to(at::kFloat).cpu().contiguous();
    const float* values = scores.const_data_ptr<float>();
    for (int64_t c = 0; c < scores.numel(); ++c)
      if (!std::isfinite(values[c]))
        throw Error("ERR_NUMERIC", "Criterion " + options.criterion + " gives channel " + std::to_string(c) + " of " +
                                       what.description.batch_norms[n].key + " the score " + std::to_string(values[c]) +
                                       ", so that no mask can be drawn: use another criterion, or other weights.");
    out.insert(out.end(), values, values + scores.numel());
  }
  return out;
}

}  // namespace earlybird
