// The emulated CUDA kernels of augmentation against the CPU's operators: the same bits.
#include <ATen/ATen.h>

#include "check.h"
#include "core/ops.h"
#include "cuda/augment.cuh"
#include "cuda_orders.h"

EB_TEST("cuda: augmentation kernels") {
  using namespace earlybird;
  using namespace earlybird::cuda_augment;
  at::manual_seed(3);
  const struct {
    int64_t count, height, width, padding;
    bool flip;
  } cases[] = {{37, 8, 8, 4, true}, {5, 3, 7, 2, false}, {64, 5, 4, 0, true}, {1, 1, 1, 1, true}};
  const at::Tensor table = at::randn({3, 256}), labels = at::randint(0, 10, {20}, at::kLong);
  constexpr int64_t kFirst = 3;
  for (const auto& [count, height, width, padding, flip] : cases) {
    const at::Tensor images = at::randint(0, 256, {20, height, width, 3}).to(at::kByte);
    const at::Tensor order = at::randint(0, 20, {kFirst + count}, at::kLong);
    const at::Tensor place = at::tensor({kFirst, int64_t{5}, int64_t{77}}, at::kLong);
    const at::Tensor want = earlybird::crop_flip(images, order, place, count, padding, flip);
    const at::Tensor want_input = earlybird::pixels_to_input(want, table);
    at::Tensor want_place = place.clone();
    const at::Tensor want_labels = earlybird::next_labels(labels, order, want_place, count);
    check(want_place[kNext].item<int64_t>() == kFirst + count, "the place advances", 0);
    const Images from{
        images.const_data_ptr<uint8_t>(), order.const_data_ptr<int64_t>(), place.const_data_ptr<int64_t>(), count,
        static_cast<int>(height),         static_cast<int>(width),         static_cast<int>(padding),       flip};
    const float* look_up = table.const_data_ptr<float>();
    in_every_order([&](const std::string& name) {
      const std::string what = c10::str("augmentation on CUDA, ", want.sizes(), ", ", name);
      at::Tensor got = at::full_like(want, 99), input = at::full(want.sizes(), 99, table.options());
      at::Tensor both = at::full_like(input, 99), half = at::full_like(input, 99).to(at::kBFloat16);
      cuda_augment::crop_flip(crop_flip_kernel, from, nullptr, got.mutable_data_ptr<uint8_t>());
      cuda_augment::pixels_to_input(got.const_data_ptr<uint8_t>(), look_up, input.mutable_data_ptr<float>(),
                                    want.numel(), nullptr);
      cuda_augment::crop_flip(crop_flip_to_float_kernel, from, nullptr, look_up, both.mutable_data_ptr<float>());
      cuda_augment::crop_flip(crop_flip_to_bf16_kernel, from, nullptr, look_up,
                              static_cast<uint16_t*>(half.mutable_data_ptr()));
      check(at::equal(got, want), what + ", pixels", 0);
      check(at::equal(input.permute({0, 3, 1, 2}), want_input), what + ", input", 0);
      check(at::equal(both.permute({0, 3, 1, 2}), want_input), what + ", both at once", 0);
      check(at::equal(half.permute({0, 3, 1, 2}), want_input.to(at::kBFloat16)), what + ", both in bf16", 0);
      at::Tensor moved = place.clone(), read = at::full({count}, -1, at::kLong);
      cuda_augment::next_labels(labels.const_data_ptr<int64_t>(), order.const_data_ptr<int64_t>(),
                                moved.mutable_data_ptr<int64_t>(), count, read.mutable_data_ptr<int64_t>(), nullptr);
      check(at::equal(read, want_labels) && at::equal(moved, want_place), what + ", labels", 0);
    });
  }
}
