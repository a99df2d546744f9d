#include "layer/conv/whole_image.h"

#include <ATen/ATen.h>

namespace earlybird::whole_image {
namespace {

constexpr int64_t kSide = 2, kPixels = kSide * kSide;

/// The 2x2 weights (out, 2, 2, in) of one pixel of the result.
at::Tensor window(const at::Tensor& weight, int64_t pixel) {
  return weight.permute({0, 2, 3, 1}).narrow(1, 1 - pixel / kSide, kSide).narrow(2, 1 - pixel % kSide, kSide);
}

/// The layer's matrix (pixel and channel of the result, pixel and channel of the image), float32.
at::Tensor matrix_of(const at::Tensor& weight, at::ScalarType images) {
  const int64_t out = weight.size(0), in = weight.size(1);
  const at::Tensor rounded = weight.to(images).to(at::kFloat);
  at::Tensor matrix = at::empty({kPixels, out, kSide, kSide, in}, at::kFloat);
  for (int64_t pixel = 0; pixel < kPixels; ++pixel) matrix[pixel].copy_(window(rounded, pixel));
  return matrix.view({kPixels * out, kPixels * in});
}

at::Tensor rows_of(const at::Tensor& images) {
  return images.permute({0, 2, 3, 1}).reshape({images.size(0), kPixels * images.size(1)}).to(at::kFloat);
}

at::Tensor images_of(const at::Tensor& rows, at::ScalarType type) {
  return rows.view({rows.size(0), kSide, kSide, rows.size(1) / kPixels}).permute({0, 3, 1, 2}).to(type);
}

}  // namespace

at::Tensor forward(const at::Tensor& images, const at::Tensor& weight) {
  const at::Tensor matrix = matrix_of(weight, images.scalar_type());
  return images_of(rows_of(images).mm(matrix.t()), images.scalar_type());
}

at::Tensor backward_images(const at::Tensor& gradient, const at::Tensor& weight) {
  const at::Tensor matrix = matrix_of(weight, gradient.scalar_type());
  return images_of(rows_of(gradient).mm(matrix), gradient.scalar_type());
}

at::Tensor backward_weight(const at::Tensor& gradient, const at::Tensor& images) {
  const int64_t out = gradient.size(1), in = images.size(1);
  const at::Tensor matrix = rows_of(gradient).t().mm(rows_of(images)).view({kPixels, out, kSide, kSide, in});
  at::Tensor weight =
      at::zeros({out, in, 3, 3}, at::TensorOptions(at::kFloat)).contiguous(at::MemoryFormat::ChannelsLast);
  for (int64_t pixel = 0; pixel < kPixels; ++pixel) window(weight, pixel).add_(matrix[pixel]);
  return weight;
}

}  // namespace earlybird::whole_image
