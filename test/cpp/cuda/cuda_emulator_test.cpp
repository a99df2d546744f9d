// The CUDA emulator runs correct kernels and detects wrong ones.
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "cuda_orders.h"

namespace {

using earlybird::launch;

/// Sum of a block's threads by shared memory and warp operations; `careless` leaves the barrier out.
__global__ void sum_kernel(const int* values, int* out, bool careless) {
  __shared__ int warps[32];
  int sum = values[blockIdx.x * blockDim.x + threadIdx.x];
  for (int by = 16; by > 0; by /= 2) sum += __shfl_down_sync(~0u, sum, by);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
  if (!careless) __syncthreads();
  if (threadIdx.x == 0) {
    int total = 0;
    for (unsigned w = 0; w < blockDim.x / 32; ++w) total += warps[w];
    atomicAdd(out, total);
  }
  __syncthreads();
  warps[threadIdx.x / 32] = -1;
}

__global__ void warp_kernel(unsigned* out) {
  const unsigned lane = threadIdx.x % 32;
  unsigned* row = out + threadIdx.x * 6;
  row[0] = __shfl_xor_sync(~0u, lane, 1);
  row[1] = __shfl_up_sync(~0u, lane, 3, 8);
  row[2] = __ballot_sync(~0u, lane % 3 == 0);
  row[3] = __reduce_max_sync(~0u, lane ^ 5);
  row[4] = lane < 4 ? __reduce_add_sync(0xFu, lane) : 0;
  row[5] = __shfl_sync(~0u, threadIdx.x, 7);
}

__global__ void half_at_a_barrier() {
  if (threadIdx.x < 16) __syncthreads();
}

__global__ void two_barriers() {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncthreads();
}

__global__ void short_warp() { __shfl_xor_sync(~0u, 1, 1); }

__global__ void outside_the_mask() { __syncwarp(1); }

__global__ void unwritten(float* out) { *out = earlybird::dynamic_shared<float>()[5]; }

/// The last block sees that it is the last, and leaves the counter at 0.
__global__ void arrival_kernel(unsigned* counter, int* last) {
  if (atomicInc(counter, gridDim.x - 1) == gridDim.x - 1) *last += 1;
}

template <class Kernel, class... Arguments>
std::string complaint(const Kernel& kernel, dim3 threads, const Arguments&... arguments) {
  try {
    launch(kernel, 1, threads, 0, nullptr, arguments...);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

bool says(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }

}  // namespace

EB_TEST("cuda: the emulator") {
  std::vector<int> values(4 * 96);
  int total = 0;
  for (size_t i = 0; i < values.size(); ++i) total += values[i] = static_cast<int>(i * i % 17);
  bool found = false;
  in_every_order([&](const std::string& order) {
    int sum = 0, hasty = 0;
    launch(sum_kernel, 4, 96, 0, nullptr, values.data(), &sum, false);
    check(sum == total, "emulator, sum, " + order, sum);
    launch(sum_kernel, 4, 96, 0, nullptr, values.data(), &hasty, true);
    found |= hasty != total;

    unsigned counter = 0;
    int last = 0;
    for (int k = 0; k < 3; ++k) launch(arrival_kernel, 5, 1, 0, nullptr, &counter, &last);
    check(last == 3 && counter == 0, "emulator, arrivals, " + order, last);

    std::vector<unsigned> got(64 * 6);
    launch(warp_kernel, 1, 64, 0, nullptr, got.data());
    bool good = true;
    for (unsigned t = 0; t < 64; ++t) {
      const unsigned lane = t % 32, *row = &got[t * 6];
      good &= row[0] == (lane ^ 1) && row[1] == (lane % 8 < 3 ? lane : lane - 3) && row[2] == 0x49249249u &&
              row[3] == 31 && row[4] == (lane < 4 ? 6 : 0) && row[5] == t / 32 * 32 + 7;
    }
    check(good, "emulator, warp operations, " + order, 0);
  });
  check(found, "emulator, a missing barrier shows in some order", 0);

  const std::string half = complaint(half_at_a_barrier, 32), two = complaint(two_barriers, 32);
  check(says(half, "from thread 0: at a barrier of the block") && says(half, "from thread 16: ended"), half, 0);
  check(says(two, "from thread 0: at a barrier") && says(two, "from thread 16: at a barrier"), two, 0);
  check(says(complaint(short_warp, 16), "at a warp operation"), "emulator, a mask with lanes that do not exist", 0);
  check(says(complaint(outside_the_mask, 32), "leaves it out"), "emulator, a lane outside of the mask", 0);
  check(says(complaint(half_at_a_barrier, 2048), "no GPU"), "emulator, too many threads", 0);
  float value = 0;
  launch(unwritten, 1, 1, 32, nullptr, &value);
  check(value != value, "emulator, dynamic shared memory begins as NaN", value);
}
