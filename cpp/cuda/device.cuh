// Every kernel includes this file. Kernels are in *.cuh files over raw pointers, with the code that chooses their
// grids; *.cu files have the operators. Other compilers than nvcc compile the kernels for the CPU, for the tests.
#pragma once

#include <cstdint>

#ifdef __CUDACC__

#include <cuda_bf16.h>

namespace earlybird {

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, size_t shared_bytes, cudaStream_t stream,
            const Arguments&... arguments) {
  kernel<<<blocks, threads, shared_bytes, stream>>>(arguments...);
}

template <class T>
__device__ inline T* dynamic_shared() {
  extern __shared__ uint4 memory[];
  return reinterpret_cast<T*>(memory);
}

/// Rounds to nearest, ties to even.
__device__ inline uint16_t bfloat16_bits(float value) { return __bfloat16_as_ushort(__float2bfloat16_rn(value)); }

}  // namespace earlybird

#else
#include "cuda_emulator.h"
#endif
