#include "prune/mask.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "model/network.h"

namespace earlybird {
namespace {

// Magnitudes are compared as bits: their order is that of integers, exact where denormals are flushed and with NaN
// last, as the release sorts it.

at::Tensor sorted(const at::Tensor& magnitude) { return std::get<0>(magnitude.sort()); }

/// The values that thresholds are taken from, sorted, and for each channel what keeps it whatever the threshold: to be
/// above this.
struct Pool {
  at::Tensor sorted, kept_above;
};

constexpr int32_t kNever = INT32_MAX;

/// All channels alike.
Pool plain_pool(const std::vector<at::Tensor>& layers) {
  const at::Tensor all = at::cat(layers);
  return {sorted(all), at::full_like(all, kNever)};
}

/// The largest tenth of each layer stays out of the pool, and is kept.
Pool protective_pool(const std::vector<at::Tensor>& layers) {
  std::vector<at::Tensor> lowest, kept_above;
  for (const at::Tensor& layer : layers) {
    const auto count = static_cast<int64_t>(0.9 * static_cast<double>(layer.numel()));
    const at::Tensor ranked = sorted(layer);
    lowest.push_back(ranked.narrow(0, 0, count));
    kept_above.push_back(ranked[count].expand_as(layer));
  }
  const at::Tensor pool = sorted(at::cat(lowest));
  if (pool.numel() == 0) throw Error("ERR_PRUNE", "A protective mask needs a layer of more than one channel.");
  return {pool, at::cat(kept_above)};
}

}  // namespace

std::vector<Mask> masks(const Network& network, const std::vector<double>& ratios, bool protective) {
  at::NoGradGuard no_grad;
  const auto parameters = network.named_parameters();
  std::vector<at::Tensor> layers;
  for (const auto& norm : network.describe().batch_norms)
    layers.push_back(parameters[norm.key + ".weight"].to(at::kFloat).view(at::kInt).bitwise_and(0x7fffffff));
  const at::Tensor magnitude = at::cat(layers);
  const Pool pool = protective ? protective_pool(layers) : plain_pool(layers);
  const int64_t channels = magnitude.numel();
  std::vector<int64_t> positions;
  for (const double ratio : ratios) {
    if (!(ratio >= 0 && ratio < 1))
      throw Error("ERR_PRUNE", "A pruning ratio must be at least 0 and below 1, not " + std::to_string(ratio) + ".");
    const auto position =
        static_cast<int64_t>(static_cast<double>(channels) * ratio);  // truncated, as the release does
    positions.push_back(std::min(position, pool.sorted.numel() - 1));
  }
  const at::Tensor thresholds = pool.sorted.index_select(0, at::tensor(positions, at::kLong).to(magnitude.device()));
  const at::Tensor is_number = magnitude.le(0x7f800000);
  const at::Tensor above = magnitude.unsqueeze(0).gt(thresholds.unsqueeze(1));
  const at::Tensor kept = above.logical_or(magnitude.gt(pool.kept_above)).logical_and(is_number).to(at::kByte).cpu();
  const at::Tensor host_thresholds = thresholds.view(at::kFloat).cpu();

  std::vector<Mask> out(ratios.size());
  for (size_t r = 0; r < ratios.size(); ++r) {
    Mask& mask = out[r];
    mask.ratio = ratios[r];
    mask.threshold = host_thresholds.const_data_ptr<float>()[r];
    mask.bits.assign((channels + 7) / 8, 0);
    const uint8_t* row = kept.const_data_ptr<uint8_t>() + static_cast<int64_t>(r) * channels;
    int64_t channel = 0;
    for (const at::Tensor& layer : layers) {
      int64_t in_layer = 0;
      for (const int64_t end = channel + layer.numel(); channel < end; ++channel) {
        in_layer += row[channel];
        mask.bits[channel / 8] |= static_cast<uint8_t>(row[channel] << (7 - channel % 8));
      }
      mask.kept_per_layer.push_back(in_layer);
      mask.kept += in_layer;
    }
  }
  return out;
}

}  // namespace earlybird
