// The one file that knows c10d, whose interface is not stable between releases of LibTorch.
#include "dist/group.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/distributed/c10d/FlightRecorder.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "core/error.h"
#include "dist/device_backend.h"

namespace earlybird {
namespace {

using c10d::ProcessGroup;
using c10d::ProcessGroupGloo;
using ProcessGroupPointer = c10::intrusive_ptr<ProcessGroup>;

/// Bytes of gradients that travel together. The first bucket is small, because nothing is computed while the last one
/// is on its way: buckets are filled from the last layer to the first.
constexpr size_t kBucketBytes = 4 << 20, kFirstBucketBytes = 1 << 20;
constexpr size_t kBroadcastBytes = 16 << 20;
/// The longest time that the store may take to answer.
constexpr std::chrono::milliseconds kStoreLimit{20'000};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

[[noreturn]] void refuse(const std::string& what, const std::exception& error) {
  throw Error("ERR_RANKS", "A rank did not take part in " + what + ": " + first_line(error.what()));
}

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

class IgnoreWarnings final : public c10::WarningHandler {
 public:
  void process(const c10::Warning&) override {}
} ignore;

/// The state that the hook of the buckets shares with the reduction.
struct Buckets {
  ProcessGroupPointer group;
  bool bf16;
  int64_t bytes = 0;
  Clock::time_point latest = {};  // when the latest one went off
};

/// Sums a bucket over the ranks, as bfloat16 if asked.
class SumBuckets final : public c10d::CppCommHookInterface<Buckets*> {
 public:
  using CppCommHookInterface::CppCommHookInterface;

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    at::NoGradGuard no_grad;
    const at::Tensor whole = bucket.getBufferRef();
    std::vector<at::Tensor> sent = {state_->bf16 ? whole.to(at::kBFloat16) : whole};
    state_->bytes += static_cast<int64_t>(sent.front().nbytes());
    state_->latest = Clock::now();
    const auto summed = state_->group->allreduce(sent)->getFuture();
    if (sent.front().is_same(whole)) return summed;
    return summed->then(
        [whole](c10::ivalue::Future& done) {
          at::NoGradGuard no_grad;
          whole.copy_(done.value().toTensorVector().front());
          return c10::IValue(whole);
        },
        c10::TensorType::get());
  }
};

/// The process group of a device's memory. The device's own backend serves it.
ProcessGroupPointer group_on_device(const c10::intrusive_ptr<c10d::Store>& store, const GroupOptions& options) {
  DeviceBackend backend{c10::make_intrusive<c10d::PrefixStore>("device", store), options.rank, options.size,
                        options.timeout};
  options.device_backend(backend);
  const auto group = c10::make_intrusive<ProcessGroup>(backend.store, options.rank, options.size);
  const auto type = backend.memory == at::kCUDA ? ProcessGroup::BackendType::NCCL : ProcessGroup::BackendType::CUSTOM;
  group->setBackend(backend.memory, type, backend.made);
  group->setDefaultBackend(type);
  group->setGroupName("earlybird on devices");
  return group;
}

}  // namespace

struct Group::Parts {
  c10::intrusive_ptr<c10d::Store> store;  // adds the prefix to keys
  ProcessGroupPointer group;              // on the host's memory
  ProcessGroupPointer device;             // on the device's memory, which may be the host's
  std::vector<std::string> hosts;         // names by rank
  Traffic traffic;
};

/// c10d's Reducer, whose hooks fill buckets as gradients are computed. Buckets are never built anew in the order in
/// which gradients first came: Gloo adds in an order that depends on the place in a bucket, and a resumed run must get
/// the same bits.
class Group::Reduction final : public GradientReduction {
 public:
  Reduction(const std::vector<at::Tensor>& parameters, Group& group)
      : group_(group), buckets_{group.parts_->device, group.options_.bf16_gradients} {
    // The order is from the last parameter to the first, as the backward pass computes them.
    std::vector<at::Tensor> backwards(parameters.rbegin(), parameters.rend());
    std::vector<size_t> limits = {kFirstBucketBytes, kBucketBytes};
    const std::vector<bool> sparse(backwards.size(), false);
    auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(backwards, limits, sparse));
    reducer_ = std::make_unique<c10d::Reducer>(
        std::move(backwards), std::move(buckets), buckets_.group, sparse, static_cast<int64_t>(kBucketBytes),
        /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/true,
        /*param_names=*/std::unordered_map<size_t, std::string>{}, static_cast<int64_t>(kFirstBucketBytes),
        /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, std::vector<int64_t>{});
    reducer_->register_comm_hook(std::make_unique<SumBuckets>(&buckets_));
  }

  void run(const std::function<void()>& backward) override {
    buckets_.bytes = 0;
    std::exception_ptr own;
    group_.run("the sums of gradients", [&] {
      // The strides of a 1x1 kernel can be written in two ways; the Reducer is faster with one, and warns of the other.
      const c10::WarningUtils::WarningHandlerGuard silent(&ignore);
      reducer_->prepare_for_backward({});
      try {
        backward();
      } catch (const c10::DistError&) {
        throw;
      } catch (const c10::Error&) {
        own = std::current_exception();
      }
    });
    // A fault of this rank's own operators: the others must not look for it among the ranks.
    if (own) std::rethrow_exception(own);
    // When the last bucket went off, all gradients were computed: the time since was spent waiting.
    group_.parts_->traffic.waited += seconds_since(buckets_.latest);
    group_.parts_->traffic.bytes += buckets_.bytes;
  }

 private:
  Group& group_;
  Buckets buckets_;
  std::unique_ptr<c10d::Reducer> reducer_;
};

Group::Group(const GroupOptions& options) : options_(options), parts_(std::make_unique<Parts>()) {
  const std::string place = options.host + ":" + std::to_string(options.port);
  try {
    c10d::TCPStoreOptions store;
    store.port = static_cast<uint16_t>(options.port);
    store.isServer = options.serves;
    store.waitWorkers = false;
    store.timeout = options.timeout;
    parts_->store = c10::make_intrusive<c10d::PrefixStore>(options.prefix,
                                                           c10::make_intrusive<c10d::TCPStore>(options.host, store));
  } catch (const std::exception& error) {
    throw Error("ERR_RANKS", "Rank " + std::to_string(options.rank) + " cannot " +
                                 (options.serves ? "open the store of the ranks at " : "reach rank 0 at ") + place +
                                 " (MASTER_ADDR, MASTER_PORT): " + first_line(error.what()));
  }
  run("the meeting of all ranks at " + place, [&] {
    auto how = ProcessGroupGloo::Options::create(options.timeout);
    how->devices.push_back(ProcessGroupGloo::createDeviceForHostname(options.address));
    const auto gloo = c10::make_intrusive<ProcessGroupGloo>(parts_->store, options.rank, options.size, how);
    parts_->group = c10::make_intrusive<ProcessGroup>(parts_->store, options.rank, options.size);
    parts_->group->setBackend(at::kCPU, ProcessGroup::BackendType::GLOO, gloo);
    parts_->group->setDefaultBackend(ProcessGroup::BackendType::GLOO);
    parts_->group->setGroupName("earlybird");
    parts_->device = options.device_backend ? group_on_device(parts_->store, options) : parts_->group;
  });

  parts_->hosts = gather(options.name, "the meeting of all ranks");
}

Group::~Group() { close(); }

std::string Group::name(int rank) const { return "rank " + std::to_string(rank) + " on " + parts_->hosts[rank]; }

void Group::run(const std::string& what, const std::function<void()>& work) {
  if (!parts_->group && !parts_->hosts.empty()) throw Error("ERR_RANKS", "The ranks were parted before " + what + ".");
  try {
    work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const std::exception& error) {
    refuse(what, error);
  }
}

template <typename GroupPointer>
void Group::sum_in(const GroupPointer& group, const at::Tensor& values, const std::string& what) {
  const Clock::time_point begin = Clock::now();
  run(what, [&] {
    std::vector<at::Tensor> whole = {values};
    group->allreduce(whole)->wait();
  });
  parts_->traffic.waited += seconds_since(begin);
  parts_->traffic.bytes += static_cast<int64_t>(values.nbytes());
}

void Group::sum(double* values, int64_t count, const std::string& what) {
  sum_in(parts_->group, at::from_blob(values, {count}, at::kDouble), what);
}

void Group::sum(const at::Tensor& values, const std::string& what) { sum_in(parts_->device, values, what); }

Group::Traffic Group::traffic() const { return parts_->traffic; }

void Group::broadcast(const std::vector<at::Tensor>& tensors, const std::string& what) {
  at::NoGradGuard no_grad;
  // Buffers may be integers, and a coalesced broadcast takes one type. Gloo moves memory whatever its order: all ranks
  // build their networks alike.
  std::vector<std::pair<at::ScalarType, std::vector<at::Tensor>>> types;
  for (const at::Tensor& tensor : tensors) {
    const auto type = tensor.scalar_type();
    auto found = std::find_if(types.begin(), types.end(), [&](const auto& entry) { return entry.first == type; });
    if (found == types.end()) found = types.insert(types.end(), {type, {}});
    found->second.push_back(tensor);
  }
  run(what, [&] {
    for (const auto& [type, same] : types) c10d::broadcast_coalesced(parts_->device, same, kBroadcastBytes, 0);
  });
}

std::vector<std::string> Group::gather(const std::string& bytes, const std::string& what) {
  std::vector<std::string> out;
  run(what, [&] {
    std::vector<int64_t> sizes(size());
    const auto all = [&](const at::Tensor& own) {
      std::vector<at::Tensor> in = {own};
      std::vector<std::vector<at::Tensor>> parts(1);
      for (int i = 0; i < size(); ++i) parts[0].push_back(at::empty_like(own));
      parts_->group->allgather(parts, in)->wait();
      return parts[0];
    };
    int64_t most = 0;
    const auto counts = all(at::full({1}, static_cast<int64_t>(bytes.size()), at::kLong));
    for (const at::Tensor& count : counts) most = std::max(most, count.item<int64_t>());
    at::Tensor padded = at::zeros({std::max<int64_t>(most, 1)}, at::kByte);
    std::copy(bytes.begin(), bytes.end(), padded.data_ptr<uint8_t>());
    const auto texts = all(padded);
    for (int i = 0; i < size(); ++i)
      out.emplace_back(reinterpret_cast<const char*>(texts[i].const_data_ptr<uint8_t>()),
                       static_cast<size_t>(counts[i].item<int64_t>()));
  });
  return out;
}

std::unique_ptr<GradientReduction> Group::reduce(const std::vector<at::Tensor>& parameters) {
  return std::make_unique<Reduction>(parameters, *this);
}

/// Asks the store on a thread of its own: a request has no time limit, and waits for ever where the network has failed
/// silently. Such a thread stays behind.
template <typename Ask>
auto Group::ask(std::chrono::milliseconds wait, const Ask& request) {
  using Answer = decltype(request(*parts_->store));
  auto task =
      std::make_shared<std::packaged_task<Answer()>>([store = parts_->store, request] { return request(*store); });
  auto answer = task->get_future();
  std::thread([task] { (*task)(); }).detach();
  try {
    if (answer.wait_for(wait + std::min(options_.timeout, kStoreLimit)) == std::future_status::ready)
      return answer.get();
  } catch (const std::exception& error) {
    refuse("the store of the ranks", error);
  }
  throw Error("ERR_RANKS", "The store of the ranks at " + options_.host + " does not answer.");
}

void Group::set(const std::string& key, const std::string& value) {
  ask({}, [key, value](c10d::Store& store) {
    store.set(key, std::vector<uint8_t>(value.begin(), value.end()));
    return true;
  });
}

std::optional<std::string> Group::get(const std::string& key, std::chrono::milliseconds wait) {
  // Asks again and again: c10d logs a warning for each wait that ends without an answer.
  static constexpr auto kAskEvery = std::chrono::milliseconds(5);
  return ask(wait, [key, wait](c10d::Store& store) -> std::optional<std::string> {
    const Clock::time_point begin = Clock::now();
    while (!store.check({key})) {
      if (Clock::now() - begin >= wait) return std::nullopt;
      std::this_thread::sleep_for(kAskEvery);
    }
    const std::vector<uint8_t> value = store.get(key);
    return std::string(value.begin(), value.end());
  });
}

void Group::close() {
  if (parts_->device && parts_->device != parts_->group) {
    // The device's collectives would keep it busy, and so delay the end of the process.
    try {
      parts_->device->abort();
    } catch (const std::exception&) {  // the error that led here says more
    }
  }
  parts_->device.reset();
  parts_->group.reset();
}

std::string Group::flight_record() const {
  return c10d::dump_fr_trace_json(/*includeCollectives=*/true, /*onlyActive=*/false);
}

}  // namespace earlybird
