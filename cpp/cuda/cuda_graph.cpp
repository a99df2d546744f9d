// Captures steps as CUDA graphs, with the same calls in the same order as torch.cuda.graph.
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

constexpr int kWarmUps = 3;  // the same as torch.cuda.graph

/// Makes `to` wait for the work queued on `from` so far.
void join(const c10::cuda::CUDAStream& from, const c10::cuda::CUDAStream& to) {
  at::cuda::CUDAEvent event;
  event.record(from);
  event.block(to);
}

/// The stream on which all captures of a device are made.
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

  void capture(const std::function<void()>& warm_up, const std::function<void()>& work) override {
    const c10::cuda::CUDAGuard guard(device_);
    const c10::cuda::CUDAStream outside = c10::cuda::getCurrentCUDAStream();
    const c10::cuda::CUDAStream side = side_stream(device_);
    join(outside, side);
    try {
      const c10::cuda::CUDAStreamGuard on(side);
      for (int i = 0; i < kWarmUps; ++i) warm_up();
      side.synchronize();
      // The graph's pool and the workspaces of matrix products need memory of their own: two graphs would otherwise
      // share one workspace and lose it with the first graph.
      at::cuda::clearCublasWorkspaces();
      c10::cuda::CUDACachingAllocator::emptyCache();
      graph_ = std::make_unique<at::cuda::CUDAGraph>();
      // Other threads may free memory during the capture: the JavaScript thread collects handles at any time.
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
  /// Ends a failed capture, so that the stream can be used again.
  void end_quietly() {
    try {
      graph_->capture_end();
    } catch (const std::exception&) {  // the first error is the one to report
    }
    (void)cudaGetLastError();
  }

  c10::DeviceIndex device_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
};

}  // namespace

std::unique_ptr<Graph> make_cuda_graph(int device) { return std::make_unique<CudaGraph>(device); }

}  // namespace earlybird
