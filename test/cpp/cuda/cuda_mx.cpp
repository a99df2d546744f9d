// The emulated CUDA kernels of MX and NVFP4 against the CPU's kernels and their plain twin: the same bits, the same
// faults.
#include <ATen/ATen.h>

#include <limits>

#include "check.h"
#include "cuda/mx.cuh"
#include "cuda_orders.h"
#include "mx_cases.h"
#include "quant/mx_tensors.h"

namespace {

using namespace mx_cases;
using at::Tensor;

Tensor no_faults() { return at::full({}, kNoFault, at::kLong); }

Tensor emulated(const Tensor& values, const MxRule& rule, at::ScalarType dtype, Tensor& faults) {
  Tensor out = at::empty_like(values, values.options().dtype(dtype));
  uint32_t top = 0;
  mx::with_types(values, out, [&](const auto* from, auto* to) {
    const mx::Call call{from,
                        to,
                        mx::rows_of(values, rule),
                        {*rule.format, rule.scale, rule.rounding},
                        lane().seed,
                        lane().lane,
                        lane().position.const_data_ptr<int64_t>(),
                        faults.mutable_data_ptr<int64_t>(),
                        &top};
    mx::round(call, nullptr);
  });
  return out;
}

void compare(const Tensor& floats, const MxRule& rule) {
  const Tensor halves = floats.to(at::kBFloat16);
  const struct {
    const Tensor& values;
    at::ScalarType dtype;
  } pairs[] = {{floats, at::kFloat}, {floats, at::kBFloat16}, {halves, at::kBFloat16}};
  for (const auto& [values, dtype] : pairs) {
    Tensor want_faults = no_faults(), faults = no_faults();
    const Tensor want = mx_round(values, rule, lane(), dtype, want_faults), got = emulated(values, rule, dtype, faults);
    const std::string what = c10::str(name_of(rule), " on CUDA, ", values.sizes(), " strides ", values.strides(), " ",
                                      values.scalar_type(), " to ", dtype);
    check(same_bits(got, want) && got.strides() == want.strides(), what, 0);
    check(at::equal(faults, want_faults), what + ", faults", 0);
    if (dtype == at::kFloat) check(same_bits(got, mx_quantize(values, rule, lane()).values), what + ", twin", 0);
  }
}

/// Runs of many kinds of values: random ones, ties, ones just below powers of two, magnitudes far apart, any bits,
/// subnormal numbers, zeros.
Tensor mixed(int64_t count) {
  const int64_t run = 100, runs = (count - 1) / run + 1;
  const Tensor below = (at::randint(1, 255, {run}, at::kInt).bitwise_left_shift(23) - 1).view(at::kFloat);
  std::vector<Tensor> all;
  for (int64_t i = 0; i < runs; i += 7)
    for (const Tensor& one :
         {at::randn({run}), at::randint(-256, 257, {run}, at::kFloat), below, apart({10, 10}).view(-1),
          any_bits({run}, true), at::randn({run}) * 1e-41f, at::zeros({run})})
      all.push_back(one);
  return at::cat(all).slice(0, 0, count).clone();
}

/// Compares values in the layouts that networks have, along both dimensions that blocks lie along.
void compare_in(at::IntArrayRef sizes, int64_t groups = 1) {
  const int64_t count = c10::multiply_integers(sizes);
  Tensor not_finite = at::randn({count}) * (at::rand({count}) > 0.1);
  not_finite[count / 2] = std::numeric_limits<float>::infinity();
  if (count > 200) not_finite[count / 2 + 150] = std::numeric_limits<float>::quiet_NaN();
  for (const Tensor& memory : {at::randn({count}), mixed(count), not_finite}) {
    std::vector<Tensor> layouts{memory.view(sizes)};
    if (sizes.size() == 4) layouts.push_back(layouts[0].contiguous(at::MemoryFormat::ChannelsLast));
    for (const Tensor& values : layouts)
      for (int64_t dim = 0; dim < std::min<int64_t>(values.dim(), 2); ++dim)
        if (values.size(dim) % groups == 0)
          each_rule([&](MxRule rule) {
            rule.dim = dim, rule.groups = groups;
            compare(values, rule);
          });
  }
}

}  // namespace

EB_TEST("cuda: MX kernels of blocks that end with their rows") {
  at::manual_seed(1);
  compare_in({64, 96});
  compare_in({2, 64, 7, 3});
}

EB_TEST("cuda: MX kernels of short blocks, at any place in memory") {
  at::manual_seed(2);
  using Sizes = std::vector<int64_t>;
  for (const Sizes& sizes : {Sizes{1}, {70}, {5000}, {3, 2100}, {35, 300}, {300, 2}, {33, 12, 5, 3}}) compare_in(sizes);
  compare_in({3, 12, 5, 3}, 3);
}

EB_TEST("cuda: MX kernels in every order of threads") {
  at::manual_seed(3);
  const Tensor values = mixed(2 * 2070).view({2, 2070});
  in_every_order([&](const std::string&) {
    for (const char* format : {"mxint8", "mxfp8-e4m3", "nvfp4"})
      for (const int64_t dim : {0, 1})
        compare(values, {&mx_format(format), MxScale::kFloor, MxRounding::kStochastic, dim});
  });
}

EB_TEST("cuda: MX kernels of a view that begins anywhere") {
  at::manual_seed(4);
  for (const int64_t begin : {1, 4, 8})
    for (const char* format : {"mxfp8-e4m3", "nvfp4"})
      for (const int64_t dim : {0, 1})
        compare(at::randn({begin + 40 * 96}).slice(0, begin).view({40, 96}),
                {&mx_format(format), MxScale::kFloor, MxRounding::kStochastic, dim});
}

EB_TEST("cuda: MX takes a launch, NVFP4 two") {
  const Tensor values = at::randn({8, 64});
  Tensor faults = no_faults();
  for (const MxFormat& format : kMxFormats) {
    const int64_t before = cuda_emulator::launches();
    emulated(values, {&format}, at::kFloat, faults);
    check(cuda_emulator::launches() - before == (format.tensor_scale ? 2 : 1), format.name, 0);
  }
}
