// The schema of every kernel of ours. CPU kernels register beside their room (cpp/data/augment.cpp, ...), CUDA kernels
// in the plugin.
#include "ops.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

TORCH_LIBRARY(earlybird, m) {
  m.def("crop_flip(Tensor images, Tensor index, int seed, int epoch, int padding, bool flip) -> Tensor");
  m.def("pixels_to_input(Tensor pixels, Tensor table) -> Tensor");
}

namespace earlybird {

at::Tensor crop_flip(const at::Tensor& images, const at::Tensor& index, int64_t seed, int64_t epoch, int64_t padding,
                     bool flip) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("earlybird::crop_flip", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, int64_t, int64_t, int64_t, bool)>();
  return op.call(images, index, seed, epoch, padding, flip);
}

at::Tensor pixels_to_input(const at::Tensor& pixels, const at::Tensor& table) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("earlybird::pixels_to_input", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&)>();
  return op.call(pixels, table);
}

}  // namespace earlybird
