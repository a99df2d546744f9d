// MX and NVFP4: the kernel against its plain twin, elements against a search of all codes, and properties that hold for
// any values.
#include "quant/mx.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "check.h"
#include "core/error.h"
#include "mx_cases.h"
#include "quant/mx_arithmetic.h"

namespace {

using namespace mx_cases;
using at::Tensor;

void compare(const Tensor& values, const MxRule& rule) {
  const MxTensor truth = mx_quantize(values, rule, lane());
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    const Tensor got = mx_round(values, rule, lane());
    check(same_bits(got, truth.values) && got.strides() == truth.values.strides(),
          c10::str(name_of(rule), " of ", values.sizes(), " strides ", values.strides()), threads);
  }
}

void compare_all() {
  using Shape = std::vector<int64_t>;
  for (const Shape& shape : {Shape{1}, Shape{70}, Shape{3, 2100}, Shape{33, 6, 5, 3}, Shape{4, 36, 1, 1},
                             Shape{1, 64, 3, 3}, Shape{2, 1, 4, 4}, Shape{0, 3}, Shape{600, 2}}) {
    for (const Tensor& base : {at::randn(shape), shape[0] ? apart(shape) : at::randn(shape), any_bits(shape, true),
                               any_bits(shape, false), at::zeros(shape)}) {
      std::vector<Tensor> layouts;
      layouts.reserve(2);
      layouts.push_back(base);
      if (shape.size() == 4) layouts.push_back(base.contiguous(at::MemoryFormat::ChannelsLast));
      if (shape.size() == 2) layouts.push_back(base.transpose(0, 1));
      for (const Tensor& values : layouts)
        for (int64_t dim = 0; dim < std::min<int64_t>(values.dim(), 2); ++dim)
          for (const int64_t groups : {1, 3})
            if (values.size(dim) % groups == 0)
              each_rule([&](MxRule rule) {
                rule.dim = dim, rule.groups = groups;
                compare(values, rule);
              });
    }
  }
}

/// The value of a code by the definition in mx_format.h, in double.
double value_of(uint32_t code, const MxFormat& f) {
  if (f.twos_complement) return static_cast<int8_t>(code) / 64.0;
  const uint32_t size = code & ((1u << (f.exponent_bits + f.mantissa_bits)) - 1), field = size >> f.mantissa_bits;
  const double mantissa = std::ldexp(size & ((1u << f.mantissa_bits) - 1), -f.mantissa_bits) + (field > 0 ? 1 : 0);
  const double value = std::ldexp(mantissa, std::max<int>(field, 1) - f.bias);
  return code == size ? value : -value;
}

/// The nearest codes of `value`, found by trying all; two of them for a tie.
std::vector<uint32_t> nearest(double value, const MxFormat& f) {
  std::vector<uint32_t> best;
  double least = INFINITY;
  const uint32_t codes = f.twos_complement ? 256 : 2u << (f.exponent_bits + f.mantissa_bits);
  for (uint32_t code = 0; code < codes; ++code) {
    const uint32_t size = code & (codes / 2 - 1);
    if (!f.twos_complement && (size > f.largest || (code != size) != std::signbit(value))) continue;
    const double distance = std::abs(value_of(code, f) - value);
    if (distance < least) best.clear();
    if (distance <= least) best.push_back(code), least = distance;
  }
  return best;
}

struct Rounded {
  std::vector<double> values;
  MxTensor all;
};

Rounded rounded(const Tensor& values, const MxRule& rule) {
  Rounded out{{}, mx_quantize(values, rule, lane())};
  const Tensor got = mx_round(values, rule, lane()).contiguous();
  out.values.assign(got.data_ptr<float>(), got.data_ptr<float>() + got.numel());
  return out;
}

}  // namespace

EB_TEST("quant: MX kernels against their plain twin") { compare_all(); }

EB_TEST("quant: MX kernels with subnormal numbers flushed") {
  at::globalContext().setFlushDenormal(true);
  compare_all();
}

EB_TEST("quant: flushing subnormal numbers changes no bit of MX") {
  const Tensor values = at::cat({any_bits({40, 96}, true), apart({40, 96})});
  each_rule([&](MxRule rule) {
    rule.dim = 1;
    at::globalContext().setFlushDenormal(false);
    const MxTensor kept = mx_quantize(values, rule, lane());
    at::globalContext().setFlushDenormal(true);
    const MxTensor flushed = mx_quantize(values, rule, lane());
    check(same_bits(kept.values, flushed.values) && at::equal(kept.scale, flushed.scale), name_of(rule), 0);
  });
}

EB_TEST("quant: every MX code is its own value, at every scale") {
  for (const MxFormat& f : kMxFormats)
    for (uint32_t byte = 0; byte < 255; ++byte)
      for (uint32_t code = 0; code < (f.twos_complement ? 256u : 2u << (f.exponent_bits + f.mantissa_bits)); ++code) {
        const uint32_t sign = 1u << (f.exponent_bits + f.mantissa_bits);
        if (!f.twos_complement && (code & (sign - 1)) > f.largest) continue;
        const uint32_t bits = mx::decode(code, byte, f);
        const double value = std::ldexp(value_of(code, f), static_cast<int>(byte) - 127);
        const double got = std::abs(value) < 0x1p128 ? mx::wide_of(bits) : std::copysign(INFINITY, value);
        check(got == value || (std::abs(value) >= 0x1p128 && (bits & 0x7FFFFFFF) == 0x7F800000),
              c10::str(f.name, " value ", code, " at ", byte), got);
        for (const MxRounding rounding : kRoundings)
          check(std::abs(value) >= 0x1p128 || mx::encode(bits, byte, f, rounding, 0xFFFF) == code,
                c10::str(f.name, " code ", code, " at ", byte), mx::encode(bits, byte, f, rounding, 0xFFFF));
      }
}

EB_TEST("quant: MX elements are the nearest of all codes") {
  for (const MxFormat& f : kMxFormats) {
    const Tensor values = at::cat({at::randn({400}) * value_of(f.largest, f) / 3, at::randn({200}) * 0.01,
                                   at::randint(-64, 65, {200}) * std::ldexp(1.0, f.least() - f.mantissa_bits - 1)})
                              .to(at::kFloat);
    for (int64_t i = 0; i < values.numel(); ++i) {
      const float value = values.data_ptr<float>()[i];
      const auto best = nearest(value, f);
      const uint32_t even = mx::encode(mx::bits_of(value), 127, f, MxRounding::kEven, 0);
      const uint32_t away = mx::encode(mx::bits_of(value), 127, f, MxRounding::kAway, 0);
      const auto holds = [&](uint32_t code) { return std::find(best.begin(), best.end(), code) != best.end(); };
      check(holds(even) && (best.size() == 1 || even % 2 == 0), c10::str(f.name, " even of ", value), even);
      const bool is_away = best.size() == 1 || std::abs(value_of(away, f)) > std::abs(value);
      check(holds(away) && is_away, c10::str(f.name, " away of ", value), away);
    }
  }
}

// There are 2^16 draws, each of the random numbers once: the share that goes up is the remainder, to 2^-17.
EB_TEST("quant: stochastic rounding to MX goes up as often as the remainder says") {
  for (const MxFormat& f : kMxFormats)
    for (const float value : {0.3f, 1.0001f, 1.26f, 1.9f, -0.77f}) {
      double sum = 0;
      for (uint32_t noise = 0; noise < 65536; ++noise)
        sum += value_of(mx::encode(mx::bits_of(value), 127, f, MxRounding::kStochastic, noise), f);
      const double step = std::ldexp(1.0, std::max(std::ilogb(value), f.least()) - f.mantissa_bits);
      check(std::abs(sum / 65536 - value) <= step * 0x1p-17, c10::str(f.name, " mean of ", value), sum / 65536);
    }
}

EB_TEST("quant: what is in an MX format stays, signs are alike, order is kept") {
  each_rule([](MxRule rule) {
    const MxFormat& f = *rule.format;
    // Twice the scale is a value only below zero.
    const bool is_random = rule.rounding == MxRounding::kStochastic;
    const bool has_lower =
        f.twos_complement && (rule.scale == MxScale::kFloor || (rule.scale == MxScale::kEven && is_random));
    Tensor values = at::randn({50, 32}) * at::pow(2.0, at::randint(-90, 90, {50, 1}, at::kFloat));
    if (has_lower) values = values.abs();
    rule.dim = 1;
    const Tensor once = mx_round(values, rule, lane());
    if (!f.tensor_scale && !is_random)
      check(same_bits(mx_round(once, rule, lane()), once), "again " + name_of(rule), 0);
    if (!has_lower) check(at::equal(mx_round(-values, rule, lane()), -once), "sign " + name_of(rule), 0);
    if (!is_random) {
      const Tensor sorted = mx_round(std::get<0>(values.sort(1)), rule, lane());
      check(at::equal(std::get<0>(sorted.sort(1)), sorted), "order " + name_of(rule), 0);
    }
  });
}

EB_TEST("quant: a power of two more in is a power of two more out of MX") {
  const Tensor values = at::randn({40, 48});
  each_rule([&](MxRule rule) {
    rule.dim = 1;
    const Tensor out = mx_round(values, rule, lane());
    for (const double power : {-60., -3., 1., 50.})
      check(same_bits(mx_round(values * std::exp2(power), rule, lane()), out * std::exp2(power)), name_of(rule), power);
  });
}

EB_TEST("quant: the error of MX is half a step, or one where it is random, or what saturation takes") {
  const Tensor values = (at::randn({60, 32}) * at::pow(2.0, at::randint(-8, 8, {60, 32}, at::kFloat))).contiguous();
  each_rule([&](MxRule rule) {
    if (rule.format->tensor_scale) return;
    const MxFormat& f = *rule.format;
    rule.dim = 1;
    const Rounded out = rounded(values, rule);
    for (int64_t i = 0; i < values.numel(); ++i) {
      const double value = values.data_ptr<float>()[i];
      const double scale = std::ldexp(1.0, out.all.scale.data_ptr<uint8_t>()[i / 32] - 127);
      const double top = value_of(f.largest, f) * scale;
      const double step = std::ldexp(scale, std::max(std::ilogb(value / scale), f.least()) - f.mantissa_bits);
      const double bound = rule.rounding == MxRounding::kStochastic ? step : step / 2;
      check(std::abs(out.values[i] - value) <= std::max(bound, std::abs(value) - top),
            c10::str(name_of(rule), " of ", value), out.values[i]);
    }
  });
}

EB_TEST("quant: MX kernels of bfloat16 give the values of float32, narrowed") {
  at::manual_seed(12);
  for (const Tensor& base : {at::randn({33, 40, 5, 3}), apart({33, 40, 5, 3}), any_bits({33, 40, 5, 3}, false)})
    each_rule([&](MxRule rule) {
      const Tensor images = base.contiguous(at::MemoryFormat::ChannelsLast), half = images.to(at::kBFloat16);
      for (rule.dim = 0; rule.dim < 2; ++rule.dim) {
        const auto narrowed = [&](const Tensor& values) {
          return mx_quantize(values, rule, lane()).values.to(at::kBFloat16);
        };
        // LibTorch narrows a NaN to another one.
        const auto same = [](const Tensor& a, const Tensor& b) {
          return a.isnan().equal(b.isnan()) && same_bits(a.masked_fill(a.isnan(), 0), b.masked_fill(b.isnan(), 0));
        };
        check(same(mx_round(half, rule, lane(), at::kBFloat16), narrowed(half)), name_of(rule) + " of bfloat16", 0);
        check(same(mx_round(images, rule, lane(), at::kBFloat16), narrowed(images)), name_of(rule) + " to bfloat16", 0);
        check(same_bits(mx_round(half, rule, lane()), mx_quantize(half, rule, lane()).values),
              name_of(rule) + " from bfloat16", 0);
      }
    });
}

EB_TEST("quant: an infinity or NaN in a block is a fault, the first of which stays") {
  const Tensor faults = at::full({}, kNoFault, at::kLong), values = at::randn({4, 64});
  const MxRule rule{.dim = 1};
  const auto round = [&](int64_t step) { mx_round(values, rule, {1, 9, position_of(2, step)}, at::kFloat, faults); };
  round(1);
  check(faults.item<int64_t>() == kNoFault, "finite values are none", faults.item<double>());
  values[2][40] = NAN;
  round(6);
  round(7);
  check(faults.item<int64_t>() == (int64_t{6} << 32 | 9), "step and lane", faults.item<double>());
}

EB_TEST("quant: MX refuses what it cannot round") {
  const auto refused = [](const char* code, const auto& work) {
    try {
      work();
      check(false, code, 0);
    } catch (const Error& error) {
      check(error.code() == code, error.what(), 0);
    }
  };
  const Tensor values = at::randn({6, 5});
  refused("ERR_USAGE", [] { mx_format("mxfp5"); });
  for (const int64_t dim : {-1, 2}) refused("ERR_SHAPE", [&] { mx_round(values, {.dim = dim}); });
  for (const int64_t groups : {0, 4}) refused("ERR_SHAPE", [&] { mx_round(values, {.groups = groups}); });
  refused("ERR_DTYPE", [&] { mx_round(values.to(at::kDouble), {}); });
  refused("ERR_INTERNAL", [&] { mx_round(values, {.rounding = MxRounding::kStochastic}); });
}
