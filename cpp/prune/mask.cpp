#include "prune/mask.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "model/network.h"

namespace earlybird {

std::vector<Mask> masks(const Network& network, const std::vector<double>& ratios) {
  at::NoGradGuard no_grad;
  const auto parameters = network.named_parameters();
  std::vector<at::Tensor> gammas;
  for (const auto& norm : network.describe().batch_norms) gammas.push_back(parameters[norm.key + ".weight"]);
  // As bits: the order of magnitudes is that of integers, exact where denormals are flushed and with NaN last, as the
  // release sorts it.
  const at::Tensor magnitude = at::cat(gammas).to(at::kFloat).view(at::kInt).bitwise_and(0x7fffffff);
  const at::Tensor sorted = std::get<0>(magnitude.sort());
  const int64_t channels = magnitude.numel();
  std::vector<int64_t> positions;
  for (const double ratio : ratios) {
    if (!(ratio >= 0 && ratio < 1))
      throw Error("ERR_PRUNE", "A pruning ratio must be at least 0 and below 1, not " + std::to_string(ratio) + ".");
    positions.push_back(static_cast<int64_t>(static_cast<double>(channels) * ratio));  // truncated, as the release does
  }
  const at::Tensor thresholds = sorted.index_select(0, at::tensor(positions, at::kLong).to(sorted.device()));
  const at::Tensor is_number = magnitude.le(0x7f800000);
  const at::Tensor kept = magnitude.unsqueeze(0).gt(thresholds.unsqueeze(1)).logical_and(is_number).to(at::kByte).cpu();
  const at::Tensor host_thresholds = thresholds.view(at::kFloat).cpu();

  std::vector<Mask> out(ratios.size());
  for (size_t r = 0; r < ratios.size(); ++r) {
    Mask& mask = out[r];
    mask.ratio = ratios[r];
    mask.threshold = host_thresholds.const_data_ptr<float>()[r];
    mask.bits.assign((channels + 7) / 8, 0);
    const uint8_t* row = kept.const_data_ptr<uint8_t>() + static_cast<int64_t>(r) * channels;
    int64_t channel = 0;
    for (const at::Tensor& gamma : gammas) {
      int64_t in_layer = 0;
      for (const int64_t end = channel + gamma.numel(); channel < end; ++channel) {
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
