#include "data/resident/augment.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <cstring>

namespace earlybird {
namespace {

at::Tensor crop_flip_cpu(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place, int64_t count,
                         int64_t padding, bool flip) {
  const int64_t height = images.size(1), width = images.size(2);
  at::Tensor out = at::empty({count, height, width, 3}, images.options());
  const auto* from = images.const_data_ptr<uint8_t>();
  const auto* where = place.const_data_ptr<int64_t>();
  const auto* picked = order.const_data_ptr<int64_t>() + where[kNext];
  auto* to = out.data_ptr<uint8_t>();
  const int64_t row = width * 3, size = height * row;
  at::parallel_for(0, count, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Augmentation draw = draw_augmentation(where, picked[i], static_cast<int>(padding), flip);
      const uint8_t* image = from + picked[i] * size;
      const int64_t shift = draw.left - padding;  // source column of output column 0, before the flip
      const int64_t first = std::max<int64_t>(0, -shift), last = std::min(width, width - shift);
      for (int64_t y = 0; y < height; ++y) {
        uint8_t* line = to + i * size + y * row;
        const int64_t source = y + draw.top - padding;
        if (source < 0 || source >= height || first >= last) {
          std::memset(line, 0, row);
          continue;
        }
        std::memset(line, 0, first * 3);
        std::memcpy(line + first * 3, image + source * row + (first + shift) * 3, (last - first) * 3);
        std::memset(line + last * 3, 0, (width - last) * 3);
        if (draw.flip)
          for (int64_t a = 0, b = width - 1; a < b; ++a, --b)
            for (int c = 0; c < 3; ++c) std::swap(line[a * 3 + c], line[b * 3 + c]);
      }
    }
  });
  return out;
}

at::Tensor pixels_to_input_cpu(const at::Tensor& pixels, const at::Tensor& table) {
  const int64_t values = pixels.numel();
  at::Tensor out = at::empty(pixels.sizes(), table.options());
  const auto* from = pixels.const_data_ptr<uint8_t>();
  const auto* look_up = table.const_data_ptr<float>();
  auto* to = out.data_ptr<float>();
  at::parallel_for(0, values / 3, 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * 3; i < end * 3; i += 3) {
      to[i] = look_up[from[i]];
      to[i + 1] = look_up[256 + from[i + 1]];
      to[i + 2] = look_up[512 + from[i + 2]];
    }
  });
  return out.permute({0, 3, 1, 2});  // NCHW view of NHWC memory = channels_last
}

at::Tensor crop_flip_to_input_cpu(const at::Tensor& images, const at::Tensor& order, const at::Tensor& place,
                                  const at::Tensor& table, int64_t size, int64_t padding, bool flip, bool bf16) {
  const at::Tensor out = pixels_to_input_cpu(crop_flip_cpu(images, order, place, size, padding, flip), table);
  return bf16 ? out.to(at::kBFloat16) : out;
}

at::Tensor next_labels_cpu(const at::Tensor& labels, const at::Tensor& order, at::Tensor& place, int64_t size) {
  auto& next = place.mutable_data_ptr<int64_t>()[kNext];
  at::Tensor out = labels.index_select(0, order.narrow(0, next, size));
  next += size;
  return out;
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CPU, m) {
  m.impl("crop_flip", &earlybird::crop_flip_cpu);
  m.impl("pixels_to_input", &earlybird::pixels_to_input_cpu);
  m.impl("crop_flip_to_input", &earlybird::crop_flip_to_input_cpu);
  m.impl("next_labels", &earlybird::next_labels_cpu);
}
