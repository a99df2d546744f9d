// The CUDA kernels of augmentation, emulated, against the CPU's operators: the same bits.
#include <ATen/ATen.h>

#include "check.h"
#include "cuda/augment.cuh"
#include "cuda_orders.h"
#include "ops.h"

void test_cuda_augment() {
  at::manual_seed(3);
  const struct {
    int64_t count, height, width, padding;
    bool flip;
  } cases[] = {{37, 8, 8, 4, true}, {5, 3, 7, 2, false}, {64, 5, 4, 0, true}, {1, 1, 1, 1, true}};
  const at::Tensor table = at::randn({3, 256});
  for (const auto& [count, height, width, padding, flip] : cases) {
    const at::Tensor images = at::randint(0, 256, {20, height, width, 3}).to(at::kByte);
    const at::Tensor index = at::randint(0, 20, {count}, at::kLong);
    const at::Tensor want = earlybird::crop_flip(images, index, 77, 5, padding, flip);
    const at::Tensor want_input = earlybird::pixels_to_input(want, table);
    in_every_order([&](const std::string& order) {
      at::Tensor got = at::full_like(want, 99), input = at::full(want.sizes(), 99, table.options());
      earlybird::cuda_augment::crop_flip(images.const_data_ptr<uint8_t>(), index.const_data_ptr<int64_t>(),
                                         got.mutable_data_ptr<uint8_t>(), want.numel() / 3, static_cast<int>(height),
                                         static_cast<int>(width), 77, 5, static_cast<int>(padding), flip, nullptr);
      earlybird::cuda_augment::pixels_to_input(got.const_data_ptr<uint8_t>(), table.const_data_ptr<float>(),
                                               input.mutable_data_ptr<float>(), want.numel(), nullptr);
      const std::string what = c10::str("augmentation on CUDA, ", want.sizes(), ", ", order);
      check(at::equal(got, want), what + ", pixels", 0);
      check(at::equal(input.permute({0, 3, 1, 2}), want_input), what + ", input", 0);
    });
  }
}
