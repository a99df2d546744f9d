#include "data/resident/resident_feed.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/ops.h"
#include "data/resident/augment.h"

namespace earlybird {

ResidentFeed::ResidentFeed(std::shared_ptr<const ResidentTensors> data)
    : data_(std::move(data)),
      order_(at::empty_like(data_->labels)),
      place_(at::zeros({kPlaces}, data_->labels.options())) {}

void ResidentFeed::start(const at::Tensor& order, uint64_t seed, uint32_t epoch) {
  at::NoGradGuard no_grad;
  order_.narrow(0, 0, order.numel()).copy_(order);
  place_.copy_(at::tensor({int64_t{0}, int64_t{epoch}, static_cast<int64_t>(seed)}, at::kLong));
}

Batch ResidentFeed::next(int64_t size, bool bf16) {
  at::NoGradGuard no_grad;
  const ResidentTensors& data = *data_;
  const at::Tensor images =
      data.filter.kind == Filter::Kind::kNone
          ? crop_flip_to_input(data.images, order_, place_, data.table, size, data.padding, data.flip, bf16)
          : pixels_to_input(
                apply_filter(crop_flip(data.images, order_, place_, size, data.padding, data.flip), data.filter),
                data.table);
  return {images, next_labels(data.labels, order_, place_, size)};
}

}  // namespace earlybird
