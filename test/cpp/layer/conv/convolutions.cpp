// Our convolutions against LibTorch's in float64, for odd widths and sizes, with one and two threads.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <limits>

#include "check.h"
#include "layer/conv/pointwise.h"
#include "layer/conv/whole_image.h"
#include "layer/conv/winograd.h"
#include "tensors.h"

namespace {

struct Passes {
  const char* name;
  int64_t kernel;
  at::Tensor (*forward)(const at::Tensor&, const at::Tensor&, const earlybird::NormRelu&);
  at::Tensor (*backward_images)(const at::Tensor&, const at::Tensor&);
  decltype(forward) backward_weight;
  /// Bound for all three results, relative.
  double error = 1e-5;
};

using earlybird::winograd::InFloats, earlybird::winograd::InIntegers;

const Passes kWinograd = {"winograd", 3, earlybird::winograd::forward<InFloats>,
                          earlybird::winograd::backward_images<InFloats>,
                          earlybird::winograd::backward_weight<InFloats>};
const Passes kInteger = {"integer",
                         3,
                         earlybird::winograd::forward<InIntegers>,
                         earlybird::winograd::backward_images<InIntegers>,
                         earlybird::winograd::backward_weight<InIntegers>,
                         1.0 / 256};
const Passes kWholeImage = {"whole_image", 3,
                            [](const at::Tensor& images, const at::Tensor& weight, const earlybird::NormRelu&) {
                              return earlybird::whole_image::forward(images, weight);
                            },
                            earlybird::whole_image::backward_images,
                            [](const at::Tensor& gradient, const at::Tensor& images, const earlybird::NormRelu&) {
                              return earlybird::whole_image::backward_weight(gradient, images);
                            }};
const Passes kPointwise = {"pointwise", 1,
                           [](const at::Tensor& images, const at::Tensor& weight, const earlybird::NormRelu& norm) {
                             return earlybird::pointwise::forward(images, weight, norm);
                           },
                           earlybird::pointwise::backward_images, earlybird::pointwise::backward_weight};

struct Results {
  at::Tensor forward, images, weight;
};

Results run(const Passes& passes, const at::Tensor& images, const at::Tensor& weight, const at::Tensor& gradient) {
  return {passes.forward(images, weight, {}), passes.backward_images(gradient, weight),
          passes.backward_weight(gradient, images, {})};
}

void compare(const Passes& passes, int64_t count, int64_t in, int64_t out, int64_t height, int64_t width,
             at::ScalarType type) {
  const auto layout = at::MemoryFormat::ChannelsLast;
  const at::Tensor images = at::randn({count, in, height, width}).to(type).contiguous(layout);
  const at::Tensor weight = at::randn({out, in, passes.kernel, passes.kernel}).contiguous(layout);
  const at::Tensor gradient = at::randn({count, out, height, width}).to(type).contiguous(layout);

  const at::Tensor exact_images = images.to(at::kDouble), exact_weight = weight.to(type).to(at::kDouble),
                   exact_gradient = gradient.to(at::kDouble);
  const int64_t padding = passes.kernel / 2;
  const at::Tensor truth = at::conv2d(exact_images, exact_weight, {}, 1, padding);
  const auto [truth_images, truth_weight, unused] =
      at::convolution_backward(exact_gradient, exact_images, exact_weight, std::nullopt, {1, 1}, {padding, padding},
                               {1, 1}, false, {0, 0}, 1, {true, true, false});

  at::set_num_threads(1);
  const Results got = run(passes, images, weight, gradient);
  at::set_num_threads(2);
  const Results again = run(passes, images, weight, gradient);

  const std::string what = std::string(passes.name) + " " + at::toString(type) + " " + std::to_string(count) + "x" +
                           std::to_string(in) + "->" + std::to_string(out) + " at " + std::to_string(height) + "x" +
                           std::to_string(width);
  // Results in bfloat16 are rounded once; gradients of weights stay float32.
  const double tolerance = passes.error, rounded = tolerance + (type == at::kBFloat16 ? 1.0 / 256 : 0);
  check(got.forward.scalar_type() == type && got.forward.is_contiguous(layout), what + ", type and layout", 0);
  check(deviation(got.forward, truth) < rounded, what + ", forward", deviation(got.forward, truth));
  check(deviation(got.images, truth_images) < rounded, what + ", images", deviation(got.images, truth_images));
  check(deviation(got.weight, truth_weight) < tolerance, what + ", weight", deviation(got.weight, truth_weight));
  check(got.forward.equal(again.forward) && got.images.equal(again.images) && got.weight.equal(again.weight),
        what + ", same bits with two threads", 0);
}

}  // namespace

EB_TEST("layer: 3x3 convolutions by Winograd against LibTorch in float64") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    compare(kWinograd, 3, 16, 16, 4, 4, type);
    compare(kWinograd, 2, 17, 31, 5, 7, type);
    compare(kWinograd, 64, 64, 128, 16, 16, type);
    compare(kWinograd, 5, 24, 19, 32, 9, type);
    compare(kWinograd, 16, 200, 173, 8, 8, type);
    compare(kWinograd, 2, 8, 11, 6, 6, type);
    compare(kWinograd, 1, 170, 190, 4, 4, type);
  }
}

EB_TEST("layer: 3x3 convolutions by Winograd with integers against LibTorch in float64") {
  compare(kInteger, 3, 16, 16, 4, 4, at::kBFloat16);
  compare(kInteger, 2, 17, 31, 5, 7, at::kBFloat16);
  compare(kInteger, 17, 64, 128, 16, 16, at::kBFloat16);  // two chunks of tiles
  compare(kInteger, 5, 24, 19, 32, 9, at::kBFloat16);
  compare(kInteger, 20, 200, 173, 8, 8, at::kBFloat16);
  compare(kInteger, 1, 170, 190, 4, 4, at::kBFloat16);
}

EB_TEST("layer: 1x1 convolutions against LibTorch in float64") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    compare(kPointwise, 3, 16, 64, 8, 8, type);
    compare(kPointwise, 2, 1, 3, 5, 7, type);
    compare(kPointwise, 4, 37, 13, 32, 32, type);
    compare(kPointwise, 2, 300, 530, 9, 5, type);
  }
}

EB_TEST("layer: 3x3 convolutions of 2x2 images against LibTorch in float64") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    compare(kWholeImage, 3, 16, 16, 2, 2, type);
    compare(kWholeImage, 64, 129, 77, 2, 2, type);
  }
}

EB_TEST("layer: NaN stays NaN in a convolution by Winograd") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    at::Tensor images = at::zeros({1, 16, 4, 4}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    images[0][3][1][1] = std::numeric_limits<float>::quiet_NaN();
    for (const Passes& passes : {kWinograd, kInteger}) {
      const at::Tensor out = passes.forward(images, at::ones({16, 16, 3, 3}), {});
      const at::Tensor reached = out.slice(2, 0, 3).slice(3, 0, 3).isnan();
      check(reached.all().item<bool>(), std::string(passes.name) + ": NaN in all that reads it",
            reached.sum().item<double>());
    }
  }
}
