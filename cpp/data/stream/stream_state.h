#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "data/stream/jpeg_stream.h"

namespace earlybird {

/// The memory of a stream that its passes share, so that memory use does not grow from pass to pass.
struct StreamState {
  explicit StreamState(StreamSpec from);

  /// Makes slots for `batches` batches of `batch_size` images, unless they are there.
  void reserve(int64_t batches, int64_t batch_size);

  StreamSpec spec;
  ImageFiles files;
  SoundImages sound;
  std::vector<std::unique_ptr<ImageReader>> readers;  // one for each worker
  at::Device device;
  at::Tensor table;                  // float32 (3, 256), on the device
  at::Tensor slots;                  // uint8 (slots, B, size, size, 3) on the host, pinned for a GPU
  at::Tensor slot_labels;            // int64 (slots, B), likewise
  at::Tensor pixels[2], targets[2];  // copies of two slots on a GPU: one is used while the other is filled
};

}  // namespace earlybird
