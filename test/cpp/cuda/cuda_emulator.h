#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <type_traits>

/// Runs CUDA kernels on the CPU, so that they can be tested without a GPU. The kernels of cpp/cuda/*.cuh use these
/// definitions in place of nvcc's (cuda/device.cuh chooses), and are started by the same launch().
///
/// The threads of a thread block are fibers on one thread of the machine. Each runs until its next barrier or warp
/// operation, and blocks run one after another, in a chosen order: the result of a kernel must not depend on it, and
/// does if a barrier is missing. A barrier or warp operation that not all threads reach throws std::runtime_error with
/// the places where threads wait.
///
/// It cannot detect races between barriers that no order of threads reveals, missing memory fences, fused
/// multiply-adds, and loads past the end of memory (a sanitiser can). A block that polls for another one hangs.
namespace cuda_emulator {

enum class Order { kForward, kReverse, kShuffled };

/// Sets the order of blocks and of their threads for later launches. `seed` is for kShuffled.
void set_order(Order order, uint32_t seed = 1);

/// Launches since the program began.
int64_t launches();

}  // namespace cuda_emulator

// --- Built into nvcc -----------------------------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct [[gnu::may_alias]] alignas(8) uint2 {
  unsigned x, y;
};
struct [[gnu::may_alias]] alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct [[gnu::may_alias]] alignas(8) float2 {
  float x, y;
};
struct [[gnu::may_alias]] alignas(16) float4 {
  float x, y, z, w;
};
using cudaStream_t = void*;

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace cuda_emulator {

using Where = std::source_location;
using Lanes = std::array<uint64_t, 32>;

void run(dim3 blocks, dim3 threads, size_t shared_bytes, const std::function<void()>& kernel);
void* dynamic_shared();
void wait_for_block(const Where& where);
/// Gives `value`, waits for the lanes of `mask`, and returns the values of all lanes.
const Lanes& exchange(uint32_t mask, uint64_t value, const Where& where);
int lane();

template <class T>
uint64_t packed(T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T unpacked(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

/// The value of lane `from`, or its own value if that lane is outside the group of `width` lanes.
template <class T, class From>
T shuffle(uint32_t mask, T value, int width, const Where& where, const From& from) {
  const Lanes& given = exchange(mask, packed(value), where);
  const int base = lane() / width * width, source = from(lane() - base);
  return source < 0 || source >= width ? value : unpacked<T>(given[base + source]);
}

template <class T, class Both>
T reduce(uint32_t mask, T value, const Where& where, const Both& both) {
  const Lanes& given = exchange(mask, packed(value), where);
  for (int i = 0; i < 32; ++i)
    if (i != lane() && (mask >> i & 1)) value = both(value, unpacked<T>(given[i]));
  return value;
}

}  // namespace cuda_emulator

#define EB_WHERE const cuda_emulator::Where& where = cuda_emulator::Where::current()

inline void __syncthreads(EB_WHERE) { cuda_emulator::wait_for_block(where); }
inline void __syncwarp(unsigned mask = ~0u, EB_WHERE) { cuda_emulator::exchange(mask, 0, where); }
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, EB_WHERE) {
  return cuda_emulator::shuffle(mask, value, width, where, [=](int) { return source % width; });
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, EB_WHERE) {
  return cuda_emulator::shuffle(mask, value, width, where, [=](int lane) { return lane ^ bits; });
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, EB_WHERE) {
  return cuda_emulator::shuffle(mask, value, width, where, [=](int lane) { return lane + static_cast<int>(by); });
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, EB_WHERE) {
  return cuda_emulator::shuffle(mask, value, width, where, [=](int lane) { return lane - static_cast<int>(by); });
}
inline unsigned __ballot_sync(unsigned mask, int predicate, EB_WHERE) {
  return cuda_emulator::reduce(mask, predicate ? 1u << cuda_emulator::lane() : 0u, where, std::bit_or<unsigned>());
}
inline int __any_sync(unsigned mask, int predicate, EB_WHERE) { return __ballot_sync(mask, predicate, where) != 0; }
inline int __all_sync(unsigned mask, int predicate, EB_WHERE) { return __ballot_sync(mask, predicate, where) == mask; }
inline unsigned __reduce_max_sync(unsigned mask, unsigned value, EB_WHERE) {
  return cuda_emulator::reduce(mask, value, where, [](unsigned a, unsigned b) { return a > b ? a : b; });
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value, EB_WHERE) {
  return cuda_emulator::reduce(mask, value, where, [](unsigned a, unsigned b) { return a < b ? a : b; });
}
inline unsigned __reduce_add_sync(unsigned mask, unsigned value, EB_WHERE) {
  return cuda_emulator::reduce(mask, value, where, std::plus<unsigned>());
}

#undef EB_WHERE

// Fibers are never interrupted between barriers, so plain reads and writes are atomic.
template <class T>
T atomicExch(T* at, std::type_identity_t<T> value) {
  const T before = *at;
  *at = value;
  return before;
}
template <class T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  return atomicExch(at, static_cast<T>(*at + value));
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> value) {
  return atomicExch(at, *at < value ? value : *at);
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> value) {
  return atomicExch(at, value < *at ? value : *at);
}
template <class T>
T atomicOr(T* at, std::type_identity_t<T> value) {
  return atomicExch(at, *at | value);
}
template <class T>
T atomicCAS(T* at, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return atomicExch(at, *at == expected ? value : *at);
}
inline unsigned atomicInc(unsigned* at, unsigned last) { return atomicExch(at, *at >= last ? 0 : *at + 1); }

template <class T>
T __ldg(const T* from) {
  return *from;
}
template <class T>
T __ldcg(const T* from) {
  return *from;
}
template <class T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}
inline float rsqrtf(float value) { return 1 / std::sqrt(value); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline int __ffs(int bits) { return bits ? std::countr_zero(static_cast<unsigned>(bits)) + 1 : 0; }
inline int __clz(int bits) { return std::countl_zero(static_cast<unsigned>(bits)); }

// --- The rest of cuda/device.cuh ------------------------------------------------------------------------------------

namespace earlybird {

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, size_t shared_bytes, cudaStream_t,
            const Arguments&... arguments) {
  cuda_emulator::run(blocks, threads, shared_bytes, [&] { kernel(arguments...); });
}

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(cuda_emulator::dynamic_shared());
}

/// Rounds to nearest, ties to even.
inline uint16_t bfloat16_bits(float value) {
  if (value != value) return 0x7FFF;
  const uint32_t bits = __float_as_uint(value);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

}  // namespace earlybird
