#include "data/stream/jpeg_stream.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/tensor_io.h"
#include "data/sampler.h"
#include "data/stream/stream_pass.h"

namespace earlybird {

JpegStream::JpegStream(StreamSpec spec) {
  if (spec.labels.empty()) throw Error("ERR_DATASET", "The dataset is empty.");
  const auto [low, high] = std::minmax_element(spec.labels.begin(), spec.labels.end());
  if (*low < 0 || *high >= spec.classes)
    throw Error("ERR_DATASET", "Labels run from " + std::to_string(*low) + " to " + std::to_string(*high) +
                                   ", but there are " + std::to_string(spec.classes) + " classes.");
  if (!spec.transform.train && spec.transform.resize < spec.transform.size)
    throw Error("ERR_USAGE", "Images cannot be resized to " + std::to_string(spec.transform.resize) +
                                 " pixels and then cut to " + std::to_string(spec.transform.size) + ".");
  state_ = std::make_unique<StreamState>(std::move(spec));
}

JpegStream::~JpegStream() = default;

int64_t JpegStream::count() const { return static_cast<int64_t>(state_->spec.labels.size()); }
int64_t JpegStream::classes() const { return state_->spec.classes; }
const std::string& JpegStream::device() const { return state_->spec.device; }
int64_t JpegStream::height() const { return state_->spec.transform.size; }
int64_t JpegStream::width() const { return state_->spec.transform.size; }

std::unique_ptr<Pass> JpegStream::train_pass(uint64_t seed, uint32_t epoch, int64_t batch_size,
                                             const CancelToken& cancel, PassStart start) {
  const StreamSpec& spec = state_->spec;
  RankShare share = share_of(shuffled(count(), seed, epoch), batch_size, start.batches, spec.rank, spec.world_size);
  return std::make_unique<StreamPass>(*state_, std::move(share), seed, epoch, spec.most_bad, cancel, std::move(start));
}

std::unique_ptr<Pass> JpegStream::evaluation_pass(int64_t batch_size, const CancelToken& cancel) {
  const StreamSpec& spec = state_->spec;
  std::vector<int64_t> order(count());
  std::iota(order.begin(), order.end(), 0);
  RankShare share = share_of(std::move(order), batch_size, 0, spec.rank, spec.world_size);
  return std::make_unique<StreamPass>(*state_, std::move(share), 0, 0, spec.most_bad, cancel);
}

std::unique_ptr<Pass> JpegStream::own_pass(uint64_t seed, uint32_t epoch, int64_t batch_size,
                                           const CancelToken& cancel) {
  return state_->spec.transform.train ? train_pass(seed, epoch, batch_size, cancel, {})
                                      : evaluation_pass(batch_size, cancel);
}

HostTensor JpegStream::batch(const std::vector<int64_t>& indexes, uint64_t seed, uint32_t epoch) {
  check_indexes(indexes, count());
  const int64_t side = height();
  if (indexes.empty()) return to_host(at::empty({0, 3, side, side}));
  const CancelToken never;
  // Batches of one need little memory, however many images are asked for.
  const auto all = static_cast<int64_t>(indexes.size());
  StreamPass pass(*state_, {indexes, 1, all}, seed, epoch, all, never);
  std::vector<at::Tensor> images;
  while (pass.advance()) images.push_back(pass.batch().images.clone());
  if (!pass.bad().empty()) {
    const BadImage& bad = pass.bad().front();
    throw Error("ERR_DATASET", state_->files.name(bad.index) + ": " + bad.reason + ".");
  }
  return to_host(at::cat(images));
}

std::vector<int32_t> JpegStream::labels(const std::vector<int64_t>& indexes) const {
  std::vector<int32_t> out;
  for (const int64_t index : indexes) out.push_back(state_->spec.labels[index]);
  return out;
}

}  // namespace earlybird
