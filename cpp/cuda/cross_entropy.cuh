// The kernel of cross_entropy_step: loss, gradient, correct answers and their sums in one launch. Each warp computes a
// row of the logits; the last thread block adds the results of the rows in a fixed order, so that sums are repeatable.
#pragma once

#include "cuda/device.cuh"
#include "train/sums.h"

namespace earlybird::cuda_cross_entropy {

inline constexpr int kThreads = 256, kWarp = 32, kRows = kThreads / kWarp;

/// The result of a row for the sums.
struct Row {
  float loss;
  int32_t rank;  // place of the label among the logits, 0 the best
};

struct Batch {
  const float* logits;    // (rows, classes)
  const int64_t* labels;  // (rows)
  int64_t rows;
  int classes;
  double share;  // part of the step's images
};

template <class Both>
__device__ inline float over_warp(float value, const Both& both) {
  for (int bits = kWarp / 2; bits > 0; bits /= 2) value = both(value, __shfl_xor_sync(~0u, value, bits));
  return value;
}

/// Computes one row by one warp.
__device__ inline Row row_of(const Batch& batch, int64_t row, float* gradient) {
  const int lane = threadIdx.x % kWarp;
  const float* logits = batch.logits + row * batch.classes;
  const auto label = static_cast<int>(batch.labels[row]);
  float top = -INFINITY;
  for (int k = lane; k < batch.classes; k += kWarp) top = logits[k] > top || logits[k] != logits[k] ? logits[k] : top;
  top = over_warp(top, [](float a, float b) { return b > a || b != b ? b : a; });
  float sum = 0, ahead = 0;
  for (int k = lane; k < batch.classes; k += kWarp) {
    sum += expf(logits[k] - top);
    ahead += logits[k] > logits[label] || (logits[k] == logits[label] && k < label);
  }
  const auto add = [](float a, float b) { return a + b; };
  sum = over_warp(sum, add);
  ahead = over_warp(ahead, add);
  const float log_sum = logf(sum), share = 1 / static_cast<float>(batch.rows);
  for (int k = lane; k < batch.classes; k += kWarp)
    gradient[row * batch.classes + k] = (expf(logits[k] - top - log_sum) - (k == label ? 1.0f : 0.0f)) * share;
  return {top + log_sum - logits[label], static_cast<int32_t>(ahead)};
}

/// Adds all rows by one thread block: each thread adds a part of the rows, then pairs of threads are added.
__device__ inline void add_up(const Row* rows, int64_t count, double share, double* sums) {
  __shared__ double loss[kThreads];
  __shared__ int correct1[kThreads], correct5[kThreads];
  const int thread = threadIdx.x;
  loss[thread] = 0;
  correct1[thread] = correct5[thread] = 0;
  for (int64_t i = thread; i < count; i += kThreads) {
    loss[thread] += static_cast<double>(rows[i].loss);
    correct1[thread] += rows[i].rank < 1;
    correct5[thread] += rows[i].rank < 5;
  }
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread >= half) continue;
    loss[thread] += loss[thread + half];
    correct1[thread] += correct1[thread + half];
    correct5[thread] += correct5[thread + half];
  }
  if (thread != 0) return;
  const auto images = static_cast<double>(count);
  sums[kLossTimesImages] += loss[0];
  sums[kLoss] += loss[0] / images * share;
  sums[kCorrect1] += correct1[0];
  sums[kCorrect5] += correct5[0];
  sums[kPercent1] += correct1[0] * (100.0 / images * share);
  sums[kPercent5] += correct5[0] * (100.0 / images * share);
}

/// `ended` is 0 before the launch and after it.
__global__ inline void __launch_bounds__(kThreads)
    cross_entropy_kernel(Batch batch, float* gradient, Row* rows, unsigned* ended, double* sums) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRows + threadIdx.x / kWarp;
  if (row < batch.rows) {
    const Row result = row_of(batch, row, gradient);
    if (threadIdx.x % kWarp == 0) rows[row] = result;
  }
  __shared__ bool is_last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) is_last = atomicInc(ended, gridDim.x - 1) == gridDim.x - 1;
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  add_up(rows, batch.rows, batch.share, sums);
}

inline void cross_entropy(const Batch& batch, float* gradient, Row* rows, unsigned* ended, double* sums,
                          cudaStream_t stream) {
  launch(cross_entropy_kernel, static_cast<unsigned>((batch.rows + kRows - 1) / kRows), kThreads, 0, stream, batch,
         gradient, rows, ended, sums);
}

}  // namespace earlybird::cuda_cross_entropy
