// Recording of steps as CUDA graphs, in the order that torch.cuda.graph does it.
#include "cuda/cuda_graph.h"

#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <mutex>

namespace earlybird {
namespace {

constexpr int kWarmUps = 3;  // as torch.cuda.graph

/// `to` waits for what `from` has been given so far.
void join(const c10::cuda::CUDAStream& from, const c10::cuda::CUDAStream& to) {
  at::cuda::CUDAEvent event;
  event.record(from);
  event.block(to);
}

/// The stream that all recordings of a device go through.
c10::cuda::CUDAStream side_stream(c10::DeviceIndex device) {
  static auto* mutex = new std::mutex();
  static auto* streams = new std::map<c10::DeviceIndex, c10::cuda::CUDAStream>();
  const std::lock_guard lock(*mutex);
  const auto found = streams->find(device);
  if (found != streams->end()) return found->second;
  return streams->emplace(device, c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)).first->second;
}

class CudaGraph final : public Graph {
 public:
  explicit CudaGraph(int device) : device_(static_cast<c10::DeviceIndex>(device)) {}

  void record(const std::function<void()>& warm_up, const std::function<void()>& work) override {
    const c10::cuda::CUDAGuard guard(device_);
    const c10::cuda::CUDAStream outside = c10::cuda::getCurrentCUDAStream();
    const c10::cuda::CUDAStream side = side_stream(device_);
    join(outside, side);
    try {
      const c10::cuda::CUDAStreamGuard on(side);
      for (int i = 0; i < kWarmUps; ++i) warm_up();
      side.synchronize();
      // The graph's pool takes memory of its own, and so do the workspaces of matrix products: else two graphs would
      // share one, and lose it with the first of them.
      at::cuda::clearCublasWorkspaces();
      c10::cuda::CUDACachingAllocator::emptyCache();
      graph_ = std::make_unique<at::cuda::CUDAGraph>();
      // Other threads may free memory meanwhile: JavaScript's collects handles whenever it likes.
      graph_->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
      try {
        work();
      } catch (...) {
        end_quietly();
        throw;
      }
      graph_->capture_end();
    } catch (...) {
      graph_.reset();
      join(side, outside);
      throw;
    }
    join(side, outside);
  }

  void replay() override {
    const c10::cuda::CUDAGuard guard(device_);
    graph_->replay();
  }

 private:
  /// The capture has failed: ends it, so that the stream can be used again.
  void end_quietly() {
    try {
      graph_->capture_end();
    } catch (const std::exception&) {  // the first error says more
    }
    (void)cudaGetLastError();
  }

  c10::DeviceIndex device_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
};

}  // namespace

std::unique_ptr<Graph> make_cuda_graph(int device) { return std::make_unique<CudaGraph>(device); }

}  // namespace earlybird
