#include "data/resident_dataset.h"

#include <ATen/ATen.h>

#include <numeric>

#include "core/error.h"
#include "core/philox.h"
#include "core/tensor_io.h"
#include "data/resident_tensors.h"
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

/// The 256 possible pixels go once through the release's order of operations in float32: /255, threshold, - mean, /
/// std.
at::Tensor input_table(const DatasetSpec& spec) {
  at::Tensor table = at::empty({3, 256}, at::kFloat);
  for (int c = 0; c < 3; ++c)
    for (int value = 0; value < 256; ++value) {
      float x = static_cast<float>(value) / 255.0f;
      if (spec.threshold > 0 && !(x > static_cast<float>(spec.threshold))) x = 0;
      table.data_ptr<float>()[c * 256 + value] =
          (x - static_cast<float>(spec.mean[c])) / static_cast<float>(spec.std[c]);
    }
  return table;
}

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
  tensors_->table = input_table(spec).to(device);
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

std::vector<int64_t> ResidentDataset::shuffled(int64_t count, uint64_t seed, uint32_t epoch) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = count - 1; i > 0; --i) {
    const Random4 random = philox(seed, Purpose::kShuffle, epoch, static_cast<uint64_t>(i));
    std::swap(order[i], order[below(random.word[0], static_cast<uint32_t>(i + 1))]);
  }
  return order;
}

HostTensor ResidentDataset::batch(const std::vector<int64_t>& indexes, uint64_t seed, uint32_t epoch) const {
  for (const int64_t index : indexes)
    if (index < 0 || index >= count())
      throw Error("ERR_SHAPE", "Image index " + std::to_string(index) + " is outside the dataset.");
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
