// The emulated CUDA kernels of the loss and of masks against the CPU's operators.
#include <ATen/ATen.h>

#include "check.h"
#include "core/ops.h"
#include "cuda/cross_entropy.cuh"
#include "cuda/mask_bits.cuh"
#include "cuda_orders.h"

using namespace earlybird;

namespace {

void cross_entropy_of(int64_t rows, int64_t classes, double scale) {
  const at::Tensor logits = at::randn({rows, classes}) * scale;
  const at::Tensor labels = at::randint(0, classes, {rows}, at::kLong);
  const auto doubles = at::TensorOptions().dtype(at::kDouble);
  at::Tensor want_sums = at::arange(kSums, doubles);
  const at::Tensor exact_sums = want_sums.clone();
  const at::Tensor exact = (at::softmax(logits.to(at::kDouble), 1) - at::one_hot(labels, classes).to(at::kDouble)) /
                           static_cast<double>(rows);
  constexpr double kShare = 0.75;  // part of a step's images
  cross_entropy_step(logits, labels, want_sums, kShare);
  at::Tensor first;
  in_every_order([&](const std::string& order) {
    const std::string name = c10::str("cross-entropy on CUDA, ", rows, " x ", classes, ", ", order, ": ");
    at::Tensor gradient = at::full({rows, classes}, 9.0f), sums = at::arange(kSums, doubles);
    at::Tensor results = at::full({rows, 2}, -1, at::kInt), ended = at::zeros({1}, at::kInt);
    for (int time = 0; time < 2; ++time)
      cuda_cross_entropy::cross_entropy(
          {logits.const_data_ptr<float>(), labels.const_data_ptr<int64_t>(), rows, static_cast<int>(classes), kShare},
          gradient.mutable_data_ptr<float>(),
          reinterpret_cast<cuda_cross_entropy::Row*>(results.mutable_data_ptr<int32_t>()),
          reinterpret_cast<unsigned*>(ended.mutable_data_ptr<int32_t>()), sums.mutable_data_ptr<double>(), nullptr);
    check(ended.item<int>() == 0, name + "the counter is ready for the next launch", ended.item<int>());
    const double worst = (gradient.to(at::kDouble) - exact).abs().max().item<double>() * static_cast<double>(rows);
    check(worst < 2e-6, name + "gradient", worst);
    const at::Tensor added = (sums - at::arange(kSums, doubles)) / 2, want = want_sums - at::arange(kSums, doubles);
    const double off = ((added - want).abs() / (want.abs() + 1)).max().item<double>();
    check(off < 1e-6, name + "sums", off);
    check(added[kCorrect1].equal(want[kCorrect1]) && added[kCorrect5].equal(want[kCorrect5]), name + "correct answers",
          (added - want).abs().max().item<double>());
    if (!first.defined()) first = sums;
    check(first.equal(sums), name + "the same sums in every order", (first - sums).abs().max().item<double>());
  });
}

void nan_shows() {
  at::Tensor logits = at::zeros({3, 10}), gradient = at::zeros({3, 10});
  logits[1][4] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor labels = at::zeros({3}, at::kLong);
  at::Tensor sums = at::zeros({kSums}, at::kDouble), results = at::zeros({3, 2}, at::kInt),
             ended = at::zeros({1}, at::kInt);
  cuda_cross_entropy::cross_entropy(
      {logits.const_data_ptr<float>(), labels.const_data_ptr<int64_t>(), 3, 10, 1}, gradient.mutable_data_ptr<float>(),
      reinterpret_cast<cuda_cross_entropy::Row*>(results.mutable_data_ptr<int32_t>()),
      reinterpret_cast<unsigned*>(ended.mutable_data_ptr<int32_t>()), sums.mutable_data_ptr<double>(), nullptr);
  check(sums[kLoss].isnan().item<bool>(), "a NaN among the logits shows in the loss", 0);
}

void masks_of(int64_t channels, bool protective) {
  const at::Tensor magnitude = at::randn({channels})
                                   .abs()
                                   .view(at::kInt)
                                   .index_put_({at::tensor(channels / 2)}, at::tensor(0x7fc00000, at::kInt));
  const at::Tensor pool = std::get<0>(magnitude.sort());
  const at::Tensor above = protective ? magnitude.roll(1) : at::Tensor();
  std::vector<int64_t> positions;
  for (int i = 0; i < 3; ++i) positions.push_back(channels * (1 + 2 * i) / 7);
  const at::Tensor want = mask_bits(magnitude, pool, positions, above);
  in_every_order([&](const std::string& order) {
    at::Tensor got = at::full_like(want, 99);
    cuda_mask_bits::Positions some{};
    std::copy(positions.begin(), positions.end(), some.at);
    cuda_mask_bits::mask_bits(magnitude.const_data_ptr<int32_t>(), pool.const_data_ptr<int32_t>(), some, 3,
                              protective ? above.const_data_ptr<int32_t>() : nullptr, channels,
                              got.mutable_data_ptr<uint8_t>(), nullptr);
    check(got.equal(want), c10::str("masks on CUDA, ", channels, " channels, ", order), 0);
  });
}

}  // namespace

EB_TEST("cuda: cross-entropy kernel") {
  at::manual_seed(11);
  cross_entropy_of(1, 3, 1);
  cross_entropy_of(5, 10, 4);
  cross_entropy_of(259, 10, 1);
  cross_entropy_of(40, 1000, 30);
  nan_shows();
}

EB_TEST("cuda: mask kernel") {
  for (const bool protective : {false, true})
    for (const int64_t channels : {1, 8, 61, 4224}) masks_of(channels, protective);
}
