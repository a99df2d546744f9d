#include "data/stream/stream_state.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "data/input_table.h"

namespace earlybird {
namespace {

/// One batch is in use, one waits, and two are being filled: a worker that finishes one goes on with the next.
constexpr int64_t kSlots = 4;

}  // namespace

StreamState::StreamState(StreamSpec from)
    : spec(std::move(from)), files(std::move(spec.places)), sound(spec.labels.size()), device(spec.device) {
  for (int i = 0; i < spec.workers; ++i) readers.push_back(std::make_unique<ImageReader>(files, spec.transform, sound));
  table = input_table(spec.mean, spec.std, 0).to(device);
}

void StreamState::reserve(int64_t batches, int64_t batch_size) {
  // Small batches need more slots, or they would hold fewer images than there are workers.
  const int64_t wanted = std::max<int64_t>(
      1, std::min(batches, kSlots + 2 * static_cast<int64_t>(readers.size()) / std::max<int64_t>(1, batch_size)));
  if (slots.defined() && slots.size(0) >= wanted && slots.size(1) == batch_size) return;
  const int64_t side = spec.transform.size;
  slots = slot_labels = at::Tensor();  // frees the old ones first
  const auto on_host = at::TensorOptions().pinned_memory(!device.is_cpu());
  slots = at::empty({wanted, batch_size, side, side, 3}, on_host.dtype(at::kByte));
  slot_labels = at::empty({wanted, batch_size}, on_host.dtype(at::kLong));
  if (device.is_cpu()) return;
  for (int i = 0; i < 2; ++i) {
    pixels[i] = at::empty({batch_size, side, side, 3}, at::TensorOptions(device).dtype(at::kByte));
    targets[i] = at::empty({batch_size}, at::TensorOptions(device).dtype(at::kLong));
  }
}

}  // namespace earlybird
