#include "two_ranks.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "dist/device_backend.h"

using namespace earlybird;

/// The place where both threads put down a tensor and take up the result.
struct FakeDevice::Meeting {
  std::mutex mutex;
  std::condition_variable changed;
  int arrived = 0, left = 0;
  at::Tensor result;

  /// Adds the tensors of both ranks, or takes that of rank 0.
  void exchange(at::Tensor& tensor, int rank, bool adds) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return left == 0; });
    if (adds)
      result = arrived == 0 ? tensor.clone() : result + tensor;
    else if (rank == 0)
      result = tensor.clone();
    if (++arrived == 2) {
      left = 2;
      changed.notify_all();
    }
    changed.wait(lock, [&] { return left > 0; });
    tensor.copy_(result);
    if (--left == 0) {
      arrived = 0;
      changed.notify_all();
    }
  }
};

namespace {

/// Work that is done when it is made.
class Done final : public c10d::Work {
 public:
  explicit Done(std::vector<at::Tensor> tensors)
      : future_(c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()))) {
    future_->markCompleted(c10::IValue(std::move(tensors)));
  }
  bool wait(std::chrono::milliseconds) override { return true; }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }

 private:
  c10::intrusive_ptr<c10::ivalue::Future> future_;
};

int free_port() {
  const int socket_number = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(socket_number, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(socket_number, reinterpret_cast<sockaddr*>(&address), &size);
  close(socket_number);
  return ntohs(address.sin_port);
}

}  // namespace

class FakeDevice::Collectives final : public c10d::Backend {
 public:
  Collectives(int rank, int size, FakeDevice& device) : Backend(rank, size), device_(device) {}

  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions&) override {
    ++device_.sums;
    return exchange(tensors, true);
  }
  c10::intrusive_ptr<c10d::Work> broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions&) override {
    ++device_.broadcasts;
    return exchange(tensors, false);
  }
  const std::string getBackendName() const override { return "fake"; }
  void abort() override { ++device_.aborted; }

 private:
  c10::intrusive_ptr<c10d::Work> exchange(std::vector<at::Tensor>& tensors, bool adds) {
    at::NoGradGuard no_grad;
    for (at::Tensor& tensor : tensors) device_.meeting_->exchange(tensor, getRank(), adds);
    return c10::make_intrusive<Done>(tensors);
  }

  FakeDevice& device_;
};

std::function<void(DeviceBackend&)> FakeDevice::maker() {
  meeting_ = std::make_shared<Meeting>();
  return [this](DeviceBackend& backend) {
    ++made;
    backend.memory = at::kCPU;
    backend.made = c10::make_intrusive<Collectives>(backend.rank, backend.size, *this);
  };
}

void two_ranks(const std::function<void(const std::shared_ptr<Group>&)>& work, FakeDevice* device,
               bool bf16_gradients) {
  GroupOptions options;
  options.size = 2;
  options.host = options.address = "127.0.0.1";
  options.port = free_port();
  options.name = "here";
  options.timeout = std::chrono::seconds(60);
  options.bf16_gradients = bf16_gradients;
  if (device) options.device_backend = device->maker();
  std::exception_ptr failed[2];
  std::thread threads[2];
  // The store is in rank 0, which therefore ends last.
  std::shared_ptr<Group> groups[2];
  for (int rank = 0; rank < 2; ++rank)
    threads[rank] = std::thread([&, rank, options]() mutable {
      try {
        options.rank = rank;
        options.serves = rank == 0;
        groups[rank] = std::make_shared<Group>(options);
        work(groups[rank]);
      } catch (...) {
        failed[rank] = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const int rank : {1, 0}) groups[rank].reset();
  for (const std::exception_ptr& error : failed)
    if (error) std::rethrow_exception(error);
}
