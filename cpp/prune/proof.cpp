#include "prune/proof.h"

#include <ATen/ATen.h>
#include <c10/util/hash.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "model/network.h"

namespace earlybird {
namespace {

std::string bytes_of_gammas(const Network& network, const std::vector<NormLayer>& norms) {
  const auto parameters = network.named_parameters();
  std::string out;
  for (const NormLayer& norm : norms) {
    const at::Tensor gamma = parameters[norm.key + ".weight"].detach().to(at::kFloat).cpu().contiguous();
    out.append(static_cast<const char*>(gamma.const_data_ptr()), gamma.nbytes());
  }
  return out;
}

}  // namespace

void prove_equal(const Network& network, const std::vector<Mask>& masks) {
  Ranks* ranks = network.ranks.get();
  if (!ranks) return;
  const std::vector<NormLayer> norms = network.describe().batch_norms;
  const std::string gammas = bytes_of_gammas(network, norms);
  std::string all = gammas;
  for (const Mask& mask : masks) all.append(mask.bits.begin(), mask.bits.end());
  const std::string hash = c10::sha1(all).str();
  const std::vector<std::string> hashes = ranks->gather(hash, "the comparison of masks");
  const auto other = std::find_if(hashes.begin(), hashes.end(), [&](const auto& one) { return one != hashes.front(); });
  if (other == hashes.end()) return;

  const auto rank = static_cast<int>(other - hashes.begin());
  const std::vector<std::string> values = ranks->gather(gammas, "the search for the gammas that differ");
  const std::string name = ranks->name(rank), first = ranks->name(0);
  size_t at = 0;
  for (const NormLayer& norm : norms)
    for (int64_t channel = 0; channel < norm.channels; ++channel, at += sizeof(float)) {
      float own, expected;
      std::memcpy(&own, values[rank].data() + at, sizeof own);
      std::memcpy(&expected, values.front().data() + at, sizeof expected);
      if (std::memcmp(&own, &expected, sizeof own) == 0) continue;
      throw Error("ERR_RANKS", name + " has another gamma than " + first + " in layer " + norm.key + ", channel " +
                                   std::to_string(channel) + ": " + std::to_string(own) + " instead of " +
                                   std::to_string(expected) +
                                   ". Its weights went another way; start again from the last checkpoint.");
    }
  throw Error("ERR_RANKS", name + " draws another mask than " + first + " from the same gammas.");
}

}  // namespace earlybird
