#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/host_tensor.h"

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
};

/// A whole image set on the device as uint8, made into network input batch by batch there.
class ResidentDataset {
 public:
  explicit ResidentDataset(const DatasetSpec& spec);
  ~ResidentDataset();

  int64_t count() const;
  int64_t classes() const;
  const std::string& device() const;

  /// The order in which an epoch visits the images: a Philox-keyed shuffle.
  static std::vector<int64_t> shuffled(int64_t count, uint64_t seed, uint32_t epoch);

  /// Network input of these images, as training at this epoch and seed would see it: float32 (n, 3, H, W). Throws
  /// ERR_SHAPE.
  HostTensor batch(const std::vector<int64_t>& indexes, uint64_t seed, uint32_t epoch) const;
  std::vector<int32_t> labels(const std::vector<int64_t>& indexes) const;

  struct Tensors;  // resident_tensors.h, for those who speak ATen
  const Tensors& tensors() const { return *tensors_; }

 private:
  std::unique_ptr<Tensors> tensors_;
};

/// A filter of the release ("lowpass", "highpass") on uint8 images (count, height, width, 3).
HostTensor filter_images(const HostTensor& images, const std::string& filter, double sigma);

}  // namespace earlybird
