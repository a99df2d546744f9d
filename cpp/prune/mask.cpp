#include "prune/mask.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/ops.h"
#include "model/network.h"
#include "prune/mask_rule.h"
#include "prune/scores.h"

namespace earlybird {
namespace {

// Values are compared by their bits, as integers: the order is exact even if subnormal numbers are flushed, and NaN
// comes last, as in the reference.

at::Tensor sorted(const at::Tensor& magnitude) { return std::get<0>(magnitude.sort()); }

/// Bits of floats as integers of the same order, also below 0. It is its own inverse.
at::Tensor ordered(const at::Tensor& scores) {
  const at::Tensor bits = (scores + 0.0f).view(at::kInt);  // -0 becomes 0
  return at::where(bits.lt(0), bits.bitwise_xor(0x7fffffff), bits);
}

/// What an earlier pruning removed has no part in the network, whatever its gamma is.
at::Tensor magnitudes(std::vector<at::Tensor> gammas, const std::vector<RemovedChannels>& removed) {
  for (const auto& [norm, mask] : removed) gammas[norm] = gammas[norm].masked_fill(mask, 0);
  return at::cat(gammas).to(at::kFloat).view(at::kInt).bitwise_and(0x7fffffff);
}

/// The sorted values from which thresholds are taken, and for each channel a value above which it is kept whatever the
/// threshold; undefined if there is no such value.
struct Pool {
  at::Tensor sorted, kept_above;
};

/// Treats all channels alike.
Pool plain_pool(const at::Tensor& magnitude) { return {sorted(magnitude), {}}; }

/// Keeps the largest tenth of each layer, which stays out of the pool.
Pool protective_pool(const std::vector<at::Tensor>& layers) {
  std::vector<at::Tensor> lowest, kept_above;
  for (const at::Tensor& layer : layers) {
    const auto count = static_cast<int64_t>(0.9 * static_cast<double>(layer.numel()));
    const at::Tensor ascending = sorted(layer);
    lowest.push_back(ascending.narrow(0, 0, count));
    kept_above.push_back(ascending[count].expand_as(layer));
  }
  const at::Tensor pool = sorted(at::cat(lowest));
  if (pool.numel() == 0) throw Error("ERR_PRUNE", "A protective mask needs a layer of more than one channel.");
  return {pool, at::cat(kept_above)};
}

bool is_set(const uint8_t* bits, int64_t channel) { return bits[channel / 8] >> (7 - channel % 8) & 1; }

/// Keeps the same share of every layer whose channels go alone; layout of mask_bits, on the host.
at::Tensor uniform_bits(const ModelDescription& description, const at::Tensor& values,
                        const std::vector<double>& ratios) {
  std::set<std::string> alone;
  for (const ChannelCut& cut : description.cuts)
    if (goes_alone(cut)) alone.insert(cut.norms.front());
  const int64_t channels = values.numel();
  std::vector<uint8_t> out;
  for (const double ratio : ratios) {
    const size_t start = out.size() + sizeof(float);
    out.resize(start + static_cast<size_t>(channels + 7) / 8);
    int64_t first = 0;
    for (const NormLayer& norm : description.batch_norms) {
      const at::Tensor order = std::get<1>(values.narrow(0, first, norm.channels).sort(/*stable=*/true, 0, false));
      const int64_t dropped =
          alone.contains(norm.key) ? static_cast<int64_t>(static_cast<double>(norm.channels) * ratio) : 0;
      for (int64_t i = dropped; i < norm.channels; ++i) {
        const int64_t channel = first + order.const_data_ptr<int64_t>()[i];
        out[start + static_cast<size_t>(channel) / 8] |= static_cast<uint8_t>(0x80 >> (channel % 8));
      }
      first += norm.channels;
    }
  }
  return at::tensor(out, at::kByte);
}

}  // namespace

bool goes_alone(const ChannelCut& cut) {
  return cut.norms.size() == 1 && cut.producers.size() == 1 + cut.carried.size() && cut.select.empty();
}

std::vector<RemovedChannels> removed_channels(const Network& network, const ModelDescription& description) {
  const auto buffers = network.named_buffers();
  std::vector<RemovedChannels> out;
  for (const ChannelCut& cut : description.cuts) {
    if (!cut.select_reads_one_norm) continue;
    const auto norm = std::find_if(description.batch_norms.begin(), description.batch_norms.end(),
                                   [&](const NormLayer& one) { return one.key == cut.norms.front(); });
    out.push_back(
        {static_cast<size_t>(norm - description.batch_norms.begin()), buffers[cut.select + ".indexes"].eq(0)});
  }
  return out;
}

std::vector<Mask> masks(const Network& network, const std::vector<double>& ratios, const MaskOptions& options) {
  at::NoGradGuard no_grad;
  const auto parameters = network.named_parameters();
  const ModelDescription description = network.describe();
  std::vector<at::Tensor> gammas;
  std::vector<int64_t> widths;
  for (const auto& norm : description.batch_norms) {
    gammas.push_back(parameters[norm.key + ".weight"]);
    widths.push_back(gammas.back().numel());
  }
  const int64_t channels = std::accumulate(widths.begin(), widths.end(), int64_t{0});
  const std::vector<float>& scores = options.scores;
  if (!scores.empty() && static_cast<int64_t>(scores.size()) != channels)
    throw Error("ERR_PRUNE", "There are " + std::to_string(scores.size()) + " scores for " + std::to_string(channels) +
                                 " channels.");
  for (const double ratio : ratios)
    if (!(ratio >= 0 && ratio < 1))
      throw Error("ERR_PRUNE", "A pruning ratio must be at least 0 and below 1, not " + std::to_string(ratio) + ".");
  const at::Tensor magnitude = scores.empty() ? magnitudes(gammas, removed_channels(network, description))
                                              : ordered(at::tensor(scores)).to(gammas.front().device());
  at::Tensor packed;
  if (options.uniform) {
    packed = uniform_bits(description, magnitude.cpu(), ratios);
  } else {
    const Pool pool = options.protective ? protective_pool(magnitude.split_with_sizes(widths)) : plain_pool(magnitude);
    std::vector<int64_t> positions;
    for (const double ratio : ratios) {
      const auto position =
          static_cast<int64_t>(static_cast<double>(channels) * ratio);  // truncated, as in the reference
      positions.push_back(std::min(position, pool.sorted.numel() - 1));
    }
    packed = mask_bits(magnitude, pool.sorted, positions, pool.kept_above).cpu();
  }

  std::vector<Mask> out(ratios.size());
  const uint8_t* at = packed.const_data_ptr<uint8_t>();
  for (size_t r = 0; r < ratios.size(); ++r) {
    Mask& mask = out[r];
    mask.ratio = ratios[r];
    mask.total = channels;
    int32_t bits = 0;
    std::memcpy(&bits, at, sizeof bits);
    if (bits < 0) bits ^= 0x7fffffff;
    std::memcpy(&mask.threshold, &bits, sizeof bits);
    at += sizeof(float);
    mask.bits.assign(at, at + (channels + 7) / 8);
    at += mask.bits.size();
    int64_t channel = 0;
    for (const int64_t width : widths) {
      int64_t kept = 0;
      for (const int64_t end = channel + width; channel < end; ++channel) kept += is_set(mask.bits.data(), channel);
      mask.kept_per_layer.push_back(kept);
      mask.kept += kept;
    }
  }
  return out;
}

void soft_prune(Network& network, double ratio) {
  const MaskOptions options{.uniform = true, .scores = channel_scores(network, {"l2"}, CancelToken())};
  const Mask mask = masks(network, {ratio}, options).front();
  at::NoGradGuard no_grad;
  const auto parameters = network.named_parameters();
  const ModelDescription description = network.describe();
  int64_t first = 0;
  for (const NormLayer& norm : description.batch_norms) {
    std::vector<int64_t> dropped;
    for (int64_t c = 0; c < norm.channels; ++c)
      if (!is_set(mask.bits.data(), first + c)) dropped.push_back(c);
    first += norm.channels;
    if (dropped.empty()) continue;
    at::Tensor weight = parameters[norm.sources.front().front() + ".weight"];
    weight.index_fill_(0, at::tensor(dropped, at::kLong).to(weight.device()), 0);
  }
}

namespace {

at::Tensor mask_bits_cpu(const at::Tensor& magnitude, const at::Tensor& pool, at::IntArrayRef positions,
                         const std::optional<at::Tensor>& kept_above) {
  const int64_t channels = magnitude.numel(), bytes = sizeof(float) + (channels + 7) / 8;
  at::Tensor out = at::zeros({static_cast<int64_t>(positions.size()) * bytes}, at::kByte);
  const auto* values = magnitude.const_data_ptr<int32_t>();
  const int32_t* above = kept_above ? kept_above->const_data_ptr<int32_t>() : nullptr;
  uint8_t* to = out.mutable_data_ptr<uint8_t>();
  for (const int64_t position : positions) {
    const int32_t threshold = pool.const_data_ptr<int32_t>()[position];
    std::memcpy(to, &threshold, sizeof threshold);
    for (int64_t k = 0; k < channels; ++k)
      to[sizeof threshold + k / 8] |=
          static_cast<uint8_t>(is_kept(values[k], threshold, above ? above[k] : kNever) << (7 - k % 8));
    to += bytes;
  }
  return out;
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CPU, m) { m.impl("mask_bits", &earlybird::mask_bits_cpu); }
