// The schema of every kernel of ours. CPU kernels register beside their room (cpp/data/augment.cpp, ...), CUDA kernels
// in the plugin.
#include "ops.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <optional>

TORCH_LIBRARY(earlybird, m) {
  m.def("crop_flip(Tensor images, Tensor index, int seed, int epoch, int padding, bool flip) -> Tensor");
  m.def("pixels_to_input(Tensor pixels, Tensor table) -> Tensor");
  m.def(
      "block_quantize_out(Tensor values, int bits, int dim, bool nearest, bool swalp, int seed, int lane, Tensor? "
      "position, Tensor(a!)? faults, Tensor(b!) out) -> ()");
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

namespace {

std::optional<at::Tensor> optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

}  // namespace

void block_quantize_out(const at::Tensor& values, const BlockFloat& format, const RandomLane& random,
                        const at::Tensor& faults, at::Tensor& out) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("earlybird::block_quantize_out", "")
          .typed<void(const at::Tensor&, int64_t, int64_t, bool, bool, int64_t, int64_t,
                      const std::optional<at::Tensor>&, const std::optional<at::Tensor>&, at::Tensor)>();
  op.call(values, format.bits, format.dim, format.rounding == Rounding::kNearest,
          format.flavour == BlockFlavour::kSwalp, static_cast<int64_t>(random.seed), random.lane,
          optional(random.position), optional(faults), out);
}

}  // namespace earlybird
