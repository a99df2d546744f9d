#include "bench/kernel_times.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>

#include "core/device.h"
#include "layer/conv/pointwise.h"
#include "quant/mx.h"

namespace earlybird {
namespace {

struct Shape {
  const char* name;
  std::vector<int64_t> sizes;
};

const std::vector<Shape> kShapes = {{"early activation", {256, 64, 32, 32}},
                                    {"late activation", {256, 512, 2, 2}},
                                    {"conv weight", {512, 512, 3, 3}},
                                    {"classifier weight", {10, 512}},
                                    {"batch-norm scale", {512}},
                                    {"beyond the caches", {256, 256, 32, 32}}};

/// Untimed calls before the timed ones.
constexpr int kWarmUp = 3;

std::vector<double> times_on_host(const std::function<void()>& call, int64_t repetitions) {
  std::vector<double> times;
  for (int64_t i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return times;
}

/// Takes times from events on the device's stream, because kernels run asynchronously.
std::vector<double> times_on_device(const std::function<void()>& call, int64_t repetitions, at::Device device) {
  const c10::impl::VirtualGuardImpl guard(device.type());
  const c10::Stream stream = guard.getStream(device);
  std::vector<c10::Event> events;
  for (int64_t i = 0; i <= repetitions; ++i) {
    if (i > 0) call();
    events.emplace_back(device.type(), c10::EventFlag::BACKEND_DEFAULT);
    events.back().record(stream);
  }
  guard.synchronizeStream(stream);
  std::vector<double> times;
  for (int64_t i = 0; i < repetitions; ++i) times.push_back(events[i].elapsedTime(events[i + 1]));
  return times;
}

struct Spread {
  double median, low, high;
};

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

/// Milliseconds of a call.
Spread time_calls(const std::function<void()>& call, int64_t repetitions, at::Device device) {
  for (int i = 0; i < kWarmUp; ++i) call();
  return spread_of(device.is_cpu() ? times_on_host(call, repetitions) : times_on_device(call, repetitions, device));
}

/// The fastest copy available: on the CPU memcpy on every thread, which bypasses the caches, unlike ATen's copy_.
void copy(const at::Tensor& from, at::Tensor& to) {
  if (!from.is_cpu()) {
    to.copy_(from);
    return;
  }
  const auto* source = static_cast<const char*>(from.const_data_ptr());
  auto* target = static_cast<char*>(to.data_ptr());
  at::parallel_for(0, static_cast<int64_t>(from.nbytes()), 1 << 16, [&](int64_t begin, int64_t end) {
    std::memcpy(target + begin, source + begin, static_cast<size_t>(end - begin));
  });
}

/// A product of an (m, k) and a (k, n) matrix.
struct Product {
  std::vector<int64_t> shape;  // m, n, k
  std::function<void()> call;
};

/// All ways to multiply on a device. Values are random because some boards are faster on zeros.
std::vector<Product> products(int64_t side, const at::TensorOptions& floats, at::ScalarType type) {
  const at::Tensor a = at::randn({side, side}, floats).to(type), b = at::randn({side, side}, floats).to(type);
  std::vector<Product> out = {
      {{side, side, side}, [a, b, product = at::empty_like(a)]() mutable { at::mm_out(product, a, b); }}};
  if (!a.is_cpu()) return out;
  using Scalars = c10::List<std::optional<at::Scalar>>;
  using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                            Scalars, std::optional<std::string_view>);
  if (const auto linear = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""}))
    out.push_back({{side, side, side},
                   [a, b, call = linear->typed<Linear>()] { call.call(a, b, std::nullopt, "none", Scalars(), ""); }});
  const at::Tensor column = a.view({1, side, side, 1}).contiguous(at::MemoryFormat::ChannelsLast),
                   weights = at::randn({side, side, 1, 1}, floats);
  out.push_back({{side, side, side}, [column, weights] { pointwise::forward(column, weights); }});
  constexpr int64_t kChannels = 256, kPixels = 16, kWeights = 9 * kChannels;
  if (const int64_t images = side * side * side / (kPixels * kPixels * kChannels * kWeights); images > 0) {
    const auto layout = at::MemoryFormat::ChannelsLast;
    const at::Tensor pixels = at::randn({images, kChannels, kPixels, kPixels}, floats).to(type).contiguous(layout);
    const at::Tensor weight = at::randn({kChannels, kChannels, 3, 3}, floats).to(type).contiguous(layout);
    out.push_back({{images * kPixels * kPixels, kChannels, kWeights},
                   [pixels, weight] { at::conv2d(pixels, weight, {}, 1, 1); }});
  }
  return out;
}

}  // namespace

std::vector<KernelTime> time_kernels(const std::string& device_name, int64_t bits, const MxFormat* format,
                                     int64_t repetitions, const CancelToken& cancel) {
  at::NoGradGuard no_grad;
  const at::Device device(device_name);
  const RandomLane random{1, lane_of(NumberKind::kTest, 0), at::zeros({}, at::TensorOptions(at::kLong).device(device))};
  std::vector<KernelTime> out;
  for (const auto& [shape, sizes] : kShapes) {
    at::Tensor values = at::randn(sizes, at::TensorOptions(at::kFloat).device(device));
    if (format && sizes.size() == 4) values = values.contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor target = at::empty_like(values);
    const auto time = [&](const std::string& name, const std::function<void()>& quantise) {
      for (const bool copies : {true, false}) {
        cancel.check();
        const Spread ms = time_calls([&] { copies ? copy(values, target) : quantise(); }, repetitions, device);
        out.push_back({copies ? "copy" : "quantize", name, sizes, 2.0 * static_cast<double>(values.nbytes()), ms.median,
                       ms.low, ms.high});
      }
    };
    if (!format) time(shape, [&] { block_quantize(values, {.bits = bits}, random); });
    if (!format || sizes.size() == 1) continue;
    for (const int64_t dim : {1, 0})
      for (const MxRounding rounding : {MxRounding::kEven, MxRounding::kStochastic})
        time(c10::str(shape, ", dim ", dim, rounding == MxRounding::kEven ? ", even" : ", stochastic"), [&] {
          mx_round(values, {format, MxScale::kFloor, rounding, dim}, random);
        });
  }
  return out;
}

std::vector<KernelTime> time_ceilings(const std::string& device_name, int64_t copy_bytes, int64_t side,
                                      int64_t repetitions, const CancelToken& cancel) {
  at::NoGradGuard no_grad;
  const at::Device device(device_name);
  const auto floats = at::TensorOptions(at::kFloat).device(device);
  std::vector<KernelTime> out;
  {
    const int64_t count = std::max<int64_t>(1, copy_bytes / 4);
    const at::Tensor values = at::rand({count}, floats);
    at::Tensor target = at::empty_like(values);
    const Spread ms = time_calls([&] { copy(values, target); }, repetitions, device);
    out.push_back({"copy", "fp32", {count}, 8.0 * static_cast<double>(count), ms.median, ms.low, ms.high});
  }
  for (const auto& [name, type] : {std::pair{"fp32", at::kFloat}, std::pair{"bf16", at::kBFloat16}}) {
    // Without such instructions the training step also multiplies in float32.
    if (type == at::kBFloat16 && device.is_cpu() && !has_bf16()) continue;
    KernelTime fastest;
    double most = 0;
    for (const auto& [shape, call] : products(side, floats, type)) {
      cancel.check();
      const Spread ms = time_calls(call, repetitions, device);
      const auto m = static_cast<double>(shape[0]), n = static_cast<double>(shape[1]),
                 k = static_cast<double>(shape[2]);
      if (const double rate = m * n * k / ms.median; rate > most) {
        most = rate;
        const auto element = static_cast<double>(c10::elementSize(type));
        fastest = {"matmul", name, shape, (m * k + k * n + m * n) * element, ms.median, ms.low, ms.high};
      }
    }
    out.push_back(fastest);
  }
  return out;
}

}  // namespace earlybird
