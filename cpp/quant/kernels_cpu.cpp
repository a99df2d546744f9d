#include "quant/kernels_cpu.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace earlybird::quant {
namespace {

EB_INLINE void store(float& to, float value) { to = value; }
EB_INLINE void store(uint16_t& to, float value) { to = static_cast<uint16_t>(bits_of(value) >> 16); }

template <class Bits>
inline constexpr bool kIsNearest = std::is_same_v<Bits, NoNoise>;

template <class T>
EB_INLINE uint32_t largest_of(const T* values, int64_t count) {
  uint32_t top = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t size = magnitude(load(values[i]));
    top = size > top ? size : top;
  }
  return top;
}

template <class T>
EB_INLINE void raise_all(uint32_t* __restrict tops, const T* __restrict values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t size = magnitude(load(values[i]));
    tops[i] = size > tops[i] ? size : tops[i];
  }
}

/// `to` is `from` or does not overlap it, so iterations are independent; the compiler cannot know that.
template <class Flavour, class T, class Bits>
EB_INLINE void run_loop(const T* from, T* to, int64_t count, uint32_t top, Bits bits, const Grid& format) {
  const Grid grid = format;
  const typename Flavour::Scale scale = Flavour::scale_of(top, grid);
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i)
    store(to[i], Flavour::template round<kIsNearest<Bits>>(load(from[i]), scale, bits[i], grid));
}

template <class Flavour, class T, class Bits>
EB_INLINE void each_loop(const T* from, T* to, int64_t count, const uint32_t* tops, Bits bits, const Grid& format) {
  const Grid grid = format;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i)
    store(to[i],
          Flavour::template round<kIsNearest<Bits>>(load(from[i]), Flavour::scale_of(tops[i], grid), bits[i], grid));
}

/// Calls `body` with the flavour as a type and the random bits with their type.
template <class Body>
EB_INLINE void with_kinds(const Format& format, const void* bits, const Body& body) {
  const auto with_flavour = [&](auto kind) EB_ALWAYS {
    if (format.swalp)
      body(Swalp{}, kind);
    else
      body(Qtorch{}, kind);
  };
  if (format.grid.nearest)
    with_flavour(NoNoise{});
  else if (elements_a_call(format.grid.bits) == 8)
    with_flavour(static_cast<const uint16_t*>(bits));
  else
    with_flavour(static_cast<const uint32_t*>(bits));
}

EB_EVERY_CPU bool are_usual(const uint32_t* tops, int64_t count) {
  uint32_t unusual = 0;
  for (int64_t i = 0; i < count; ++i) unusual |= is_usual(tops[i]) ? 0 : 1;
  return unusual == 0;
}

EB_EVERY_CPU bool any_fault(const uint32_t* tops, int64_t count) {
  uint32_t faults = 0;
  for (int64_t i = 0; i < count; ++i) faults |= tops[i] >= kInfinity ? 1 : 0;
  return faults != 0;
}

// A macro, because a template cannot have target clones.
#define EB_LOOPS(T)                                                                                                \
  EB_EVERY_CPU uint32_t largest_here(const T* values, int64_t count) { return largest_of(values, count); }         \
  EB_EVERY_CPU void raise_here(uint32_t* tops, const T* values, int64_t count) { raise_all(tops, values, count); } \
  EB_EVERY_CPU void run_here(const T* from, T* to, int64_t count, uint32_t top, const void* bits,                  \
                             const Format& format) {                                                               \
    with_kinds(format, bits, [&](auto flavour, auto kind) EB_ALWAYS {                                              \
      run_loop<decltype(flavour)>(from, to, count, top, kind, format.grid);                                        \
    });                                                                                                            \
  }                                                                                                                \
  EB_EVERY_CPU void each_here(const T* from, T* to, int64_t count, const uint32_t* tops, const void* bits,         \
                              const Format& format) {                                                              \
    with_kinds(format, bits, [&](auto flavour, auto kind) EB_ALWAYS {                                              \
      each_loop<decltype(flavour)>(from, to, count, tops, kind, format.grid);                                      \
    });                                                                                                            \
  }
EB_LOOPS(float)
EB_LOOPS(uint16_t)
#undef EB_LOOPS

/// Rounds blocks of unusual magnitude, and blocks that are not finite.
template <class T>
void round_slowly(const T* from, T* to, int64_t count, const uint32_t* tops, int64_t stride, const void* bits,
                  const Format& format) {
  with_kinds(format, bits, [&](auto flavour, auto kind) {
    using Flavour = decltype(flavour);
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t top = tops[i * stride];
      if (top >= kInfinity)
        to[i] = from[i];  // without a conversion, which might change a NaN
      else
        store(to[i],
              round_value<Flavour>(load(from[i]), top, Flavour::scale_of(top, format.grid), kind[i], format.grid));
    }
  });
}

/// Elements between two prefetches, and of a piece that is written past the caches.
constexpr int64_t kPiece = 512;

constexpr int64_t kTile = 1024;

/// memcpy past the caches, in whole cache lines.
void stream_out(void* to, const void* from, int64_t bytes) {
#ifdef __SSE2__
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  const int64_t head = std::min(bytes, static_cast<int64_t>(-reinterpret_cast<uintptr_t>(to) & 63));
  const int64_t lines = (bytes - head) / 64 * 64;
  memcpy(target, source, head);
  for (int64_t i = head; i < head + lines; i += 16)
    _mm_stream_si128(reinterpret_cast<__m128i*>(target + i),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i)));
  memcpy(target + head + lines, source + head + lines, bytes - head - lines);
#else
  memcpy(to, from, bytes);
#endif
}

/// Prefetches memory that is read soon, a few lines at a time, because a core can have few requests in flight.
void fetch(const void* from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(static_cast<const char*>(from) + i, 0, 2);
}

/// Also prefetches `next` values from `from` + `count` on.
template <class T>
void run(const T* from, T* to, int64_t count, uint32_t top, int64_t number, NoiseTile& noise, const Format& format,
         int64_t next = 0) {
  for (int64_t i = 0; i < count;) {
    const auto [bits, ready] =
        noise.from(number + i, format.stream || next > 0 ? std::min(kPiece, count - i) : count - i);
    if (i < next) fetch(from + count + i, std::min(ready, next - i) * static_cast<int64_t>(sizeof(T)));
    if (is_usual(top) && format.stream) {
      alignas(64) T tile[kPiece];
      run_here(from + i, tile, ready, top, bits, format);
      stream_out(to + i, tile, ready * static_cast<int64_t>(sizeof(T)));
    } else if (is_usual(top))
      run_here(from + i, to + i, ready, top, bits, format);
    else
      round_slowly(from + i, to + i, ready, &top, 0, bits, format);
    i += ready;
  }
}

template <class T>
void each(const T* from, T* to, int64_t count, const uint32_t* tops, int64_t number, NoiseTile& noise,
          const Format& format) {
  const bool usual = are_usual(tops, count);
  for (int64_t i = 0; i < count;) {
    const auto [bits, ready] = noise.from(number + i, count - i);
    if (usual)
      each_here(from + i, to + i, ready, tops + i, bits, format);
    else
      round_slowly(from + i, to + i, ready, tops + i, 1, bits, format);
    i += ready;
  }
}

template <class T>
bool rows(const T* from, T* to, int64_t count, int64_t inner, int64_t number, NoiseTile& noise, const Format& format) {
  bool fault = false;
  if (inner >= kShortRun) {
    for (int64_t at = 0; at < count; at += inner) {
      const uint32_t top = largest_here(from + at, inner);
      fault |= top >= kInfinity;
      run(from + at, to + at, inner, top, number + at, noise, format, std::min(inner, count - inner - at));
    }
    return fault;
  }
  uint32_t tops[kTile];
  for (int64_t at = 0, step; at < count; at += step) {
    step = std::min(count - at, kTile / inner * inner);
    std::fill_n(tops, step, 0);
    raise_here(tops, from + at, step);
    join_tops(tops, step, inner);
    fault |= any_fault(tops, step);
    each(from + at, to + at, step, tops, number + at, noise, format);
  }
  return fault;
}

}  // namespace

uint32_t largest(const float* values, int64_t count) { return largest_here(values, count); }
uint32_t largest(const uint16_t* values, int64_t count) { return largest_here(values, count); }

void raise_tops(uint32_t* tops, const float* values, int64_t count) { raise_here(tops, values, count); }
void raise_tops(uint32_t* tops, const uint16_t* values, int64_t count) { raise_here(tops, values, count); }

void round_run(const float* from, float* to, int64_t count, uint32_t top, int64_t number, NoiseTile& noise,
               const Format& format) {
  run(from, to, count, top, number, noise, format);
}
void round_run(const uint16_t* from, uint16_t* to, int64_t count, uint32_t top, int64_t number, NoiseTile& noise,
               const Format& format) {
  run(from, to, count, top, number, noise, format);
}

void round_each(const float* from, float* to, int64_t count, const uint32_t* tops, int64_t number, NoiseTile& noise,
                const Format& format) {
  each(from, to, count, tops, number, noise, format);
}
void round_each(const uint16_t* from, uint16_t* to, int64_t count, const uint32_t* tops, int64_t number,
                NoiseTile& noise, const Format& format) {
  each(from, to, count, tops, number, noise, format);
}

bool round_rows(const float* from, float* to, int64_t count, int64_t inner, int64_t number, NoiseTile& noise,
                const Format& format) {
  return rows(from, to, count, inner, number, noise, format);
}
bool round_rows(const uint16_t* from, uint16_t* to, int64_t count, int64_t inner, int64_t number, NoiseTile& noise,
                const Format& format) {
  return rows(from, to, count, inner, number, noise, format);
}

void end_stream() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

void join_tops(uint32_t* tops, int64_t count, int64_t inner) {
  for (int64_t i = 0; inner > 1 && i < count; i += inner)
    std::fill_n(tops + i, inner, *std::max_element(tops + i, tops + i + inner));
}

}  // namespace earlybird::quant
