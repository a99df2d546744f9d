#include "data/resident/resident_dataset.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/tensor_io.h"
#include "data/input_table.h"
#include "data/pass.h"
#include "data/resident/resident_feed.h"
#include "data/sampler.h"

namespace earlybird {
namespace {

Filter filter_of(const std::string& name, double sigma) {
  if (name == "none") return {Filter::Kind::kNone, sigma};
  if (!(sigma > 0)) throw Error("ERR_USAGE", "--sigma must be above 0 for a filter.");
  if (name == "lowpass") return {Filter::Kind::kLowPass, sigma};
  if (name == "highpass") return {Filter::Kind::kHighPass, sigma};
  throw Error("ERR_USAGE", "Unknown filter \"" + name + "\": use none, lowpass or highpass.");
}

/// One pass of a feed, from batch `from` on.
class ResidentPass final : public Pass {
 public:
  ResidentPass(std::shared_ptr<ResidentFeed> feed, const RankShare& share, int64_t from)
      : feed_(std::move(feed)),
        images_(static_cast<int64_t>(share.order.size())),
        batch_size_(share.batch_size),
        steps_(share.batches),
        end_(from + share.batches),
        batches_(from) {}

  int64_t steps() const override { return steps_; }

  bool advance() override {
    first_ += size_;
    size_ = std::min(batch_size_, images_ - first_);
    if (batches_ == end_) return false;
    ++batches_;
    return true;
  }

  int64_t batches() const override { return batches_; }

  int64_t size() const override { return size_; }
  Batch batch() override { return feed_->next(size_, /*bf16=*/false); }
  std::shared_ptr<Feed> feed() override { return batch_size_ <= images_ ? feed_ : nullptr; }

 private:
  std::shared_ptr<ResidentFeed> feed_;
  int64_t images_, batch_size_, steps_, end_, batches_, first_ = 0, size_ = 0;
};

}  // namespace

ResidentDataset::ResidentDataset(const DatasetSpec& spec)
    : classes_(spec.classes), rank_(spec.rank), world_size_(spec.world_size), device_(spec.device) {
  const at::Device device(spec.device);
  const at::Tensor labels = view_of(spec.labels);
  if (labels.numel() == 0) throw Error("ERR_DATASET", "The dataset is empty.");
  const int64_t low = labels.min().item<int64_t>(), high = labels.max().item<int64_t>();
  if (low < 0 || high >= spec.classes)
    throw Error("ERR_DATASET", "Labels run from " + std::to_string(low) + " to " + std::to_string(high) +
                                   ", but there are " + std::to_string(spec.classes) + " classes.");
  data_ = std::make_shared<ResidentTensors>(
      ResidentTensors{view_of(spec.images).to(device, /*non_blocking=*/false, /*copy=*/true),
                      labels.to(at::kLong).to(device), input_table(spec.mean, spec.std, spec.threshold).to(device),
                      spec.padding, spec.flip, filter_of(spec.filter, spec.sigma)});
  training_ = std::make_shared<ResidentFeed>(data_);
  evaluation_ = std::make_shared<ResidentFeed>(data_);
}

ResidentDataset::~ResidentDataset() = default;

int64_t ResidentDataset::count() const { return data_->images.size(0); }
int64_t ResidentDataset::height() const { return data_->images.size(1); }
int64_t ResidentDataset::width() const { return data_->images.size(2); }

std::unique_ptr<Pass> ResidentDataset::train_pass(uint64_t seed, uint32_t epoch, int64_t batch_size, const CancelToken&,
                                                  PassStart start) {
  return pass(training_, shuffled(count(), seed, epoch), seed, epoch, batch_size, start.batches);
}

std::unique_ptr<Pass> ResidentDataset::evaluation_pass(int64_t batch_size, const CancelToken&) {
  std::vector<int64_t> order(count());
  std::iota(order.begin(), order.end(), 0);
  return pass(evaluation_, std::move(order), 0, 0, batch_size, 0);
}

std::unique_ptr<Pass> ResidentDataset::pass(const std::shared_ptr<ResidentFeed>& feed, std::vector<int64_t> order,
                                            uint64_t seed, uint32_t epoch, int64_t batch_size, int64_t from) {
  const RankShare share = share_of(std::move(order), batch_size, from, rank_, world_size_);
  feed->start(at::tensor(share.order, at::kLong), seed, epoch);
  return std::make_unique<ResidentPass>(feed, share, from);
}

std::unique_ptr<Pass> ResidentDataset::own_pass(uint64_t seed, uint32_t epoch, int64_t batch_size,
                                                const CancelToken& cancel) {
  return train_pass(seed, epoch, batch_size, cancel, {});
}

HostTensor ResidentDataset::batch(const std::vector<int64_t>& indexes, uint64_t seed, uint32_t epoch) {
  check_indexes(indexes, count());
  at::Tensor order = at::tensor(indexes, at::kLong);
  ResidentFeed feed(data_);
  std::vector<at::Tensor> images;  // a feed takes as many indexes at once as there are images
  for (const at::Tensor& part : order.split(count())) {
    feed.start(part, seed, epoch);
    images.push_back(feed.next(part.numel(), /*bf16=*/false).images);
  }
  return to_host(at::cat(images));
}

std::vector<int32_t> ResidentDataset::labels(const std::vector<int64_t>& indexes) const {
  const at::Tensor all = data_->labels.cpu();
  std::vector<int32_t> out;
  for (const int64_t index : indexes) out.push_back(static_cast<int32_t>(all.const_data_ptr<int64_t>()[index]));
  return out;
}

HostTensor filter_images(const HostTensor& images, const std::string& filter, double sigma) {
  return to_host(apply_filter(view_of(images), filter_of(filter, sigma)));
}

}  // namespace earlybird
