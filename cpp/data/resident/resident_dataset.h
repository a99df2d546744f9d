#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace earlybird {

struct DatasetSpec {
  HostTensor images;  // uint8 (count, height, width, 3)
  HostTensor labels;  // int32 (count)
  int64_t classes = 0;
  std::string device;
  double mean[3] = {0, 0, 0};
  double std[3] = {1, 1, 1};
  int64_t padding = 0;
  bool flip = false;
  std::string filter = "none";
  double sigma = 1.0;
  double threshold = 0;
  int64_t rank = 0, world_size = 1;
};

struct ResidentTensors;  // resident_tensors.h, which needs ATen
class ResidentFeed;      // resident_feed.h

/// An image set that is uint8 in device memory and becomes network input there, batch by batch.
class ResidentDataset final : public Dataset {
 public:
  explicit ResidentDataset(const DatasetSpec& spec);
  ~ResidentDataset() override;

  int64_t count() const override;
  int64_t classes() const override { return classes_; }
  const std::string& device() const override { return device_; }
  int64_t height() const override;
  int64_t width() const override;

  std::unique_ptr<Pass> train_pass(uint64_t seed, uint32_t epoch, int64_t batch_size, const CancelToken& cancel,
                                   PassStart start) override;
  std::unique_ptr<Pass> evaluation_pass(int64_t batch_size, const CancelToken& cancel) override;
  std::unique_ptr<Pass> own_pass(uint64_t seed, uint32_t epoch, int64_t batch_size, const CancelToken& cancel) override;
  HostTensor batch(const std::vector<int64_t>& indexes, uint64_t seed, uint32_t epoch) override;
  std::vector<int32_t> labels(const std::vector<int64_t>& indexes) const override;

 private:
  std::unique_ptr<Pass> pass(const std::shared_ptr<ResidentFeed>& feed, std::vector<int64_t> order, uint64_t seed,
                             uint32_t epoch, int64_t batch_size, int64_t from);

  int64_t classes_, rank_, world_size_;
  std::string device_;
  std::shared_ptr<ResidentTensors> data_;
  std::shared_ptr<ResidentFeed> training_, evaluation_;
};

/// A filter of the reference ("lowpass", "highpass") on uint8 images (count, height, width, 3).
HostTensor filter_images(const HostTensor& images, const std::string& filter, double sigma);

}  // namespace earlybird
