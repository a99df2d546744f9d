#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/stream/image_files.h"
#include "data/stream/image_reader.h"

namespace earlybird {

struct StreamState;  // stream_state.h

struct StreamSpec {
  ImagePlaces places;
  std::vector<int32_t> labels;
  int64_t classes = 0;
  std::string device;
  double mean[3] = {0, 0, 0};
  double std[3] = {1, 1, 1};
  ImageTransform transform = {true, 224, 256};
  int workers = 1;
  int64_t most_bad = 0;  // limit of bad images in one pass
  int64_t rank = 0, world_size = 1;
};

/// JPEG files that worker threads decode ahead of their use. Memory does not grow with the number of images, apart from
/// their names.
class JpegStream final : public Dataset {
 public:
  /// Throws ERR_NOT_BUILT without a decoder, ERR_DATASET for shards and labels that do not fit.
  explicit JpegStream(StreamSpec spec);
  ~JpegStream() override;

  int64_t count() const override;
  int64_t classes() const override;
  const std::string& device() const override;
  int64_t height() const override;
  int64_t width() const override;

  std::unique_ptr<Pass> train_pass(uint64_t seed, uint32_t epoch, int64_t batch_size, const CancelToken& cancel,
                                   PassStart start) override;
  std::unique_ptr<Pass> evaluation_pass(int64_t batch_size, const CancelToken& cancel) override;
  std::unique_ptr<Pass> own_pass(uint64_t seed, uint32_t epoch, int64_t batch_size, const CancelToken& cancel) override;
  HostTensor batch(const std::vector<int64_t>& indexes, uint64_t seed, uint32_t epoch) override;
  std::vector<int32_t> labels(const std::vector<int64_t>& indexes) const override;

 private:
  std::unique_ptr<StreamState> state_;
};

}  // namespace earlybird
