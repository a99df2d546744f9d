// Block floating point against its plain twin: same bits for every layout, type, rounding and number of threads.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <limits>

#include "check.h"
#include "core/error.h"
#include "quant/block_float.h"
#include "tensors.h"

namespace {

using namespace earlybird;
using at::Tensor;

std::string text(const Tensor& values, const BlockFloat& format) {
  return c10::str(values.sizes(), " strides ", values.strides(), " ", values.scalar_type(), " bits ", format.bits,
                  " dim ", format.dim, format.rounding == Rounding::kNearest ? " nearest" : " stochastic",
                  format.flavour == BlockFlavour::kSwalp ? " swalp" : "");
}

void compare(const Tensor& values, const BlockFloat& format) {
  const RandomLane random{0x123456789abcull, lane_of(NumberKind::kTest, 3), position_of(2, 5)};
  const Tensor truth = plain_block_quantize(values, format, random);
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    const Tensor got = block_quantize(values, format, random);
    check(same_bits(got, truth) && got.strides() == truth.strides(), "quantise " + text(values, format), threads);
  }
  Tensor place = values.contiguous(values.suggest_memory_format()).clone();
  block_quantize_(place, format, random);
  check(same_bits(place, truth), "in place " + text(values, format), 0);
}

/// Blocks of very different magnitude, zeros, and subnormal numbers.
Tensor mixed(at::IntArrayRef sizes) {
  const Tensor exponents = at::randint(-149, 128, {sizes.empty() ? 1 : sizes[0]}, at::kDouble);
  std::vector<int64_t> column(std::max<size_t>(sizes.size(), 1), 1);
  column[0] = exponents.numel();
  const Tensor values = at::randn(sizes, at::kDouble) * at::pow(2.0, exponents).view(column) / 4;
  return values.to(at::kFloat) * (at::rand(sizes) > 0.1);
}

void quantise_all() {
  using Shape = std::vector<int64_t>;
  for (const Shape& shape : {Shape{7}, Shape{1}, Shape{3000}, Shape{5, 7}, Shape{64, 3, 3, 3}, Shape{3, 20, 9, 11},
                             Shape{2, 1, 4, 4}, Shape{0, 3}, Shape{2, 33000}, Shape{6, 1}, Shape{40, 70, 5, 5}}) {
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      std::vector<Tensor> layouts{at::randn(shape).to(type), mixed(shape).to(type)};
      if (shape.size() == 4) layouts.push_back(layouts[0].contiguous(at::MemoryFormat::ChannelsLast));
      if (shape.size() > 1) layouts.push_back(layouts[0].transpose(0, 1));
      if (shape[0] > 2) layouts.push_back(layouts[0].slice(0, 0, shape[0], 2));
      // The plain twin is slow.
      const std::vector<int64_t> lengths =
          layouts[0].numel() > 5000 ? std::vector<int64_t>{6, 8} : std::vector<int64_t>{2, 6, 7, 13, 22};
      for (const Tensor& values : layouts)
        for (int64_t dim = -1; dim < std::min<int64_t>(values.dim(), 2); ++dim)
          for (const int64_t bits : lengths)
            for (const auto rounding : {Rounding::kNearest, Rounding::kStochastic})
              for (const auto flavour : {BlockFlavour::kQtorch, BlockFlavour::kSwalp})
                compare(values, {bits, dim, rounding, flavour});
    }
  }
}

template <class Work>
void refused(const char* code, const std::string& what, const Work& work) {
  try {
    work();
    check(false, what, 0);
  } catch (const Error& error) {
    check(error.code() == code, what + ": " + error.what(), 0);
  }
}

}  // namespace

EB_TEST("quant: block floating point against its plain twin") { quantise_all(); }

EB_TEST("quant: block floating point with subnormal numbers flushed") {
  at::globalContext().setFlushDenormal(true);
  quantise_all();
}

// Tensors this large are written past the caches, unless in place.
EB_TEST("quant: large tensors") {
  const RandomLane random{9, lane_of(NumberKind::kTest, 1), position_of(0, 1)};
  for (const auto& shape : {std::vector<int64_t>{130, 65537}, std::vector<int64_t>{1, 8600001}}) {
    const Tensor values = at::randn(shape);
    Tensor place = values.clone();
    block_quantize_(place, {.bits = 8}, random);
    check(same_bits(block_quantize(values, {.bits = 8}, random), place), "large " + text(values, {.bits = 8}), 0);
  }
}

EB_TEST("quant: infinities, NaN and wrong arguments") {
  Tensor values = at::randn({4, 100}), fault = at::full({}, kNoFault, at::kLong);
  values[1][7] = std::numeric_limits<float>::infinity();
  values[2][99] = -std::numeric_limits<float>::quiet_NaN();
  const RandomLane random{1, 77, position_of(3, 9)};
  const Tensor got = block_quantize(values, {.bits = 8}, random, fault);
  check(same_bits(got.slice(0, 1, 3), values.slice(0, 1, 3)), "a block with infinity or NaN stays", 0);
  check(same_bits(got, plain_block_quantize(values, {.bits = 8}, random)), "the others do not", 0);
  check(fault.item<int64_t>() == (int64_t{9} << 32 | 77), "a fault says step and lane", fault.item<double>());
  block_quantize(values, {.bits = 8}, {1, 78, position_of(3, 9)}, fault);
  check(fault.item<int64_t>() == (int64_t{9} << 32 | 77), "the least fault stays", fault.item<double>());
  for (const int64_t bits : {0, 1, 23, -2})
    refused("ERR_USAGE", "bits", [&] { block_quantize(values, {.bits = bits}, random); });
  for (const int64_t dim : {2, -2})
    refused("ERR_SHAPE", "dimension", [&] { block_quantize(values, {.bits = 8, .dim = dim}, random); });
  refused("ERR_DTYPE", "type", [&] { block_quantize(values.to(at::kDouble), {.bits = 8}, random); });
}
