#include "data/resident_dataset.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "core/tensor_io.h"
#include "data/input_table.h"
#include "data/pass.h"
#include "data/resident_tensors.h"
#include "data/sampler.h"
#include "ops.h"

namespace earlybird {
namespace {

Filter filter_of(const std::string& name, double sigma) {
  if (name == "none") return {Filter::Kind::kNone, sigma};
  if (!(sigma > 0)) throw Error("ERR_USAGE", "--sigma must be above 0 for a filter.");
  if (name == "lowpass") return {Filter::Kind::kLowPass, sigma};
  if (name == "highpass") return {Filter::Kind::kHighPass, sigma};
  throw Error("ERR_USAGE", "Unknown filter \"" + name + "\": use none, lowpass or highpass.");
}

/// Slices of an order of images; the tensors never leave the device.
class ResidentPass final : public Pass {
 public:
  ResidentPass(const ResidentDataset::Tensors& data, at::Tensor order, uint64_t seed, uint32_t epoch,
               int64_t batch_size)
      : data_(data), order_(std::move(order)), seed_(seed), epoch_(epoch), batch_size_(batch_size) {}

  int64_t steps() const override { return (order_.numel() + batch_size_ - 1) / batch_size_; }

  bool advance() override {
    first_ += size_;
    size_ = std::min(batch_size_, order_.numel() - first_);
    return size_ > 0;
  }

  int64_t size() const override { return size_; }

  Batch batch() override {
    at::NoGradGuard no_grad;
    const at::Tensor index = order_.narrow(0, first_, size_);
    return {data_.batch(index, seed_, epoch_), data_.labels.index_select(0, index)};
  }

 private:
  const ResidentDataset::Tensors& data_;
  at::Tensor order_;  // int64, on the device
  uint64_t seed_;
  uint32_t epoch_;
  int64_t batch_size_, first_ = 0, size_ = 0;
};

}  // namespace

ResidentDataset::ResidentDataset(const DatasetSpec& spec) : tensors_(std::make_unique<Tensors>()) {
  const at::Device device(spec.device);
  const at::Tensor labels = view_of(spec.labels);
  if (labels.numel() == 0) throw Error("ERR_DATASET", "The dataset is empty.");
  const int64_t low = labels.min().item<int64_t>(), high = labels.max().item<int64_t>();
  if (low < 0 || high >= spec.classes)
    throw Error("ERR_DATASET", "Labels run from " + std::to_string(low) + " to " + std::to_string(high) +
                                   ", but there are " + std::to_string(spec.classes) + " classes.");
  tensors_->images = view_of(spec.images).to(device, /*non_blocking=*/false, /*copy=*/true);
  tensors_->labels = labels.to(at::kLong).to(device);
  tensors_->table = input_table(spec.mean, spec.std, spec.threshold).to(device);
  tensors_->classes = spec.classes;
  tensors_->device = spec.device;
  tensors_->padding = spec.padding;
  tensors_->flip = spec.flip;
  tensors_->filter = filter_of(spec.filter, spec.sigma);
}

ResidentDataset::~ResidentDataset() = default;

int64_t ResidentDataset::count() const { return tensors_->images.size(0); }
int64_t ResidentDataset::classes() const { return tensors_->classes; }
const std::string& ResidentDataset::device() const { return tensors_->device; }

int64_t ResidentDataset::height() const { return tensors_->images.size(1); }
int64_t ResidentDataset::width() const { return tensors_->images.size(2); }

std::unique_ptr<Pass> ResidentDataset::train_pass(uint64_t seed, uint32_t epoch, int64_t batch_size,
                                                  const CancelToken&) {
  const at::Tensor order = at::tensor(shuffled(count(), seed, epoch), at::kLong).to(tensors_->labels.device());
  return std::make_unique<ResidentPass>(*tensors_, order, seed, epoch, batch_size);
}

std::unique_ptr<Pass> ResidentDataset::evaluation_pass(int64_t batch_size, const CancelToken&) {
  return std::make_unique<ResidentPass>(*tensors_, at::arange(count(), tensors_->labels.options()), 0, 0, batch_size);
}

std::unique_ptr<Pass> ResidentDataset::own_pass(uint64_t seed, uint32_t epoch, int64_t batch_size,
                                                const CancelToken& cancel) {
  return train_pass(seed, epoch, batch_size, cancel);
}

HostTensor ResidentDataset::batch(const std::vector<int64_t>& indexes, uint64_t seed, uint32_t epoch) {
  check_indexes(indexes, count());
  return to_host(tensors_->batch(at::tensor(indexes, at::kLong).to(tensors_->labels.device()), seed, epoch));
}

std::vector<int32_t> ResidentDataset::labels(const std::vector<int64_t>& indexes) const {
  const at::Tensor all = tensors_->labels.cpu();
  std::vector<int32_t> out;
  for (const int64_t index : indexes) out.push_back(static_cast<int32_t>(all.const_data_ptr<int64_t>()[index]));
  return out;
}

HostTensor filter_images(const HostTensor& images, const std::string& filter, double sigma) {
  return to_host(apply_filter(view_of(images), filter_of(filter, sigma)));
}

at::Tensor ResidentDataset::Tensors::batch(const at::Tensor& index, uint64_t seed, uint32_t epoch) const {
  const at::Tensor pixels = crop_flip(images, index, static_cast<int64_t>(seed), epoch, padding, flip);
  return pixels_to_input(apply_filter(pixels, filter), table);
}

}  // namespace earlybird
