#include "data/resident/filters.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

namespace earlybird {
namespace {

/// Source position of each padded position, with reflected borders that repeat the edge: d c b a | a b c d | d c b a.
at::Tensor reflected(int64_t size, int64_t radius, at::Device device) {
  // Made on the device: every step would wait for the copy of a table from the host.
  const at::Tensor inside =
      at::arange(-radius, size + radius, at::TensorOptions(at::kLong).device(device)).remainder(2 * size);
  return at::minimum(inside, 2 * size - 1 - inside);
}

/// One axis of the Gaussian. The sum has scipy's order (the centre, then from the outermost taps inwards) and is
/// float64: the result is truncated, so another order would give other pixels. Multiplication and addition stay
/// separate operations, so that they are not fused.
at::Tensor correlate(const at::Tensor& pixels, int64_t axis, const std::vector<double>& weights) {
  const auto radius = static_cast<int64_t>(weights.size()) - 1;
  const int64_t size = pixels.size(axis);
  const at::Tensor padded = pixels.index_select(axis, reflected(size, radius, pixels.device())).to(at::kDouble);
  at::Tensor sum = padded.narrow(axis, radius, size) * weights[0];
  for (int64_t i = radius; i >= 1; --i)
    sum += (padded.narrow(axis, radius - i, size) + padded.narrow(axis, radius + i, size)) * weights[i];
  return sum.to(at::kByte);
}

/// The sum in NumPy's order, which scipy divides the weights by: eight partial sums, and halves of more than 128
/// numbers.
double numpy_sum(std::span<const double> values) {
  const size_t count = values.size(), whole = count - count % 8;
  if (count > 128) {
    const size_t half = count / 2 - count / 2 % 8;
    return numpy_sum(values.first(half)) + numpy_sum(values.subspan(half));
  }
  double total = 0;
  if (whole > 0) {
    std::array<double, 8> part{};
    for (size_t i = 0; i < whole; ++i) part[i % 8] += values[i];
    total = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  }
  for (size_t i = whole; i < count; ++i) total += values[i];
  return total;
}

at::Tensor low_pass(const at::Tensor& images, double sigma) {
  const auto radius = static_cast<int64_t>(4.0 * sigma + 0.5);
  std::vector<double> both_sides;
  for (int64_t i = -radius; i <= radius; ++i)
    both_sides.push_back(std::exp(-0.5 / (sigma * sigma) * static_cast<double>(i * i)));
  const double total = numpy_sum(both_sides);
  std::vector<double> weights(both_sides.begin() + radius, both_sides.end());
  for (double& weight : weights) weight /= total;
  at::Tensor out = images;
  for (const int64_t axis : {1, 2, 3})
    out = correlate(out, axis, weights);  // axis 3 mixes the colours, as the reference does
  return out;
}

at::Tensor high_pass(const at::Tensor& images, double sigma) {
  const at::Tensor colour = images.to(at::kInt);
  const at::Tensor grey =
      (colour.select(3, 0) * 19595 + colour.select(3, 1) * 38470 + colour.select(3, 2) * 7471 + 32768)
          .bitwise_right_shift(16);
  const double spread = 1.0 / sigma, factor = 2.0 * std::numbers::pi * std::numbers::pi * spread * spread;
  const auto options = at::TensorOptions().dtype(at::kDouble).device(images.device());
  const at::Tensor fy = at::fft_fftfreq(images.size(1), 1.0, options).unsqueeze(1),
                   fx = at::fft_fftfreq(images.size(2), 1.0, options);
  const at::Tensor gain = 1.0 - at::exp(-factor * (fy * fy + fx * fx));
  const at::Tensor edges = at::real(at::fft_ifft2(at::fft_fft2(grey.to(at::kDouble)) * gain));
  const at::Tensor low = edges.amin({1, 2}, true), range = edges.amax({1, 2}, true) - low;
  // A constant image gives zeros, where the reference divides by zero. FFT noise keeps its range just above zero.
  const at::Tensor flat = range < 1e-9;
  const at::Tensor scaled = ((edges - low) / range.masked_fill(flat, 1.0) * 255.0).masked_fill(flat, 0.0);
  return scaled.to(at::kByte).unsqueeze(3).expand({-1, -1, -1, 3}).contiguous();
}

}  // namespace

at::Tensor apply_filter(const at::Tensor& images, const Filter& filter) {
  at::NoGradGuard no_grad;
  switch (filter.kind) {
    case Filter::Kind::kLowPass:
      return low_pass(images, filter.sigma);
    case Filter::Kind::kHighPass:
      return high_pass(images, filter.sigma);
    case Filter::Kind::kNone:
      return images;
  }
  return images;
}

}  // namespace earlybird
