// The CPU kernel of block_quantize_out: divides a tensor among threads and reads it once or twice.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "quant/blocks.h"
#include "quant/kernels_cpu.h"

namespace earlybird {
namespace {

using namespace quant;

/// Minimum number of elements for a thread.
constexpr int64_t kGrain = 1 << 14;
/// A row up to this size stays in a cache, and is read from memory once.
constexpr int64_t kRowBytes = 2 << 20;
/// Larger results do not stay in any cache until their next use.
constexpr int64_t kStreamBytes = 32 << 20;
constexpr int64_t kPositions = 1024;

void raise(uint32_t& top, uint32_t by) {
  std::atomic_ref<uint32_t> shared(top);
  uint32_t before = shared.load(std::memory_order_relaxed);
  while (before < by && !shared.compare_exchange_weak(before, by, std::memory_order_relaxed)) {
  }
}

/// One rounding of a tensor. The bits do not depend on the division among threads: maxima do not depend on order, and
/// random bits depend on the number of the element.
template <class T>
class BlockPass {
 public:
  BlockPass(const T* from, T* to, const Blocks& shape, const Format& format, const NoiseKey& key)
      : from_(from), to_(to), shape_(shape), format_(format), key_(key) {}

  /// Returns whether there was an infinity or NaN.
  bool run() {
    if (shape_.outer == 1 && shape_.inner * static_cast<int64_t>(sizeof(T)) <= kRowBytes &&
        (shape_.blocks >= at::get_num_threads() || shape_.elements() <= kGrain))
      by_row();
    else if (shape_.inner >= kShortRun)
      by_piece();
    else
      by_position();
    return fault_;
  }

 private:
  NoiseTile noise(int64_t end) const { return NoiseTile(key_, format_.grid, end); }

  void note(uint32_t top) {
    if (top >= kInfinity) fault_.store(true, std::memory_order_relaxed);
  }

  /// Takes rows that are blocks and short enough to be read again from a cache.
  void by_row() {
    const int64_t inner = shape_.inner;
    at::parallel_for(0, shape_.blocks, std::max<int64_t>(1, kGrain / inner), [&](int64_t begin, int64_t end) {
      NoiseTile bits = noise(end * inner);
      const int64_t at = begin * inner;
      if (round_rows(from_ + at, to_ + at, end * inner - at, inner, at, bits, format_)) note(kInfinity);
      if (format_.stream) end_stream();
    });
  }

  /// Takes long rows, and blocks in several places, in two passes over memory.
  void by_piece() {
    std::vector<uint32_t> tops(shape_.blocks, 0);
    each_piece([&](int64_t at, int64_t count, int64_t block, NoiseTile&) {
      const uint32_t top = largest(from_ + at, count);
      note(top);
      raise(tops[block], top);
    });
    each_piece([&](int64_t at, int64_t count, int64_t block, NoiseTile& bits) {
      round_run(from_ + at, to_ + at, count, tops[block], at, bits, format_);
    });
  }

  /// Calls work(first element, count, block, noise) for pieces that cover the memory and lie in one block each.
  template <class Work>
  void each_piece(const Work& work) {
    at::parallel_for(0, shape_.elements(), kGrain, [&](int64_t begin, int64_t end) {
      NoiseTile bits = noise(end);
      while (begin < end) {
        const int64_t run = begin / shape_.inner;
        const int64_t count = std::min(end, (run + 1) * shape_.inner) - begin;
        work(begin, count, run % shape_.blocks, bits);
        begin += count;
      }
      if (format_.stream) end_stream();
    });
  }

  /// Takes short runs of a block. Memory is `outer` lines of blocks * inner positions; a tile is some neighbouring
  /// positions (whole blocks) of some neighbouring lines.
  void by_position() {
    std::vector<uint32_t> all(shape_.blocks, 0);
    each_tile([&](const Tile& tile, uint32_t* tops) {
      std::fill_n(tops, tile.count, 0);
      each_line(tile, [&](int64_t at) { raise_tops(tops, from_ + at, tile.count); });
      join_tops(tops, tile.count, shape_.inner);
      for (int64_t i = 0; i < tile.count; i += shape_.inner) {
        note(tops[i]);
        raise(all[(tile.position + i) / shape_.inner], tops[i]);
      }
    });
    each_tile([&](const Tile& tile, uint32_t* tops) {
      for (int64_t i = 0; i < tile.count; ++i) tops[i] = all[(tile.position + i) / shape_.inner];
      NoiseTile bits = noise(shape_.elements());
      each_line(tile, [&](int64_t at) { round_each(from_ + at, to_ + at, tile.count, tops, at, bits, format_); });
    });
  }

  struct Tile {
    int64_t position, count, begin, end;
  };

  /// Calls work(tile, an array for the maxima of its positions).
  template <class Work>
  void each_tile(const Work& work) {
    const int64_t line = shape_.blocks * shape_.inner;
    const int64_t width = std::min(line, kPositions / shape_.inner * shape_.inner), tiles = (line - 1) / width + 1;
    const int64_t lines = std::max<int64_t>(1, kGrain / width), chunks = (shape_.outer - 1) / lines + 1;
    at::parallel_for(
        0, tiles * chunks, std::max<int64_t>(1, kGrain / (lines * width)), [&](int64_t begin, int64_t end) {
          uint32_t tops[kPositions];
          for (int64_t i = begin; i < end; ++i) {
            const int64_t position = i % tiles * width, first = i / tiles * lines;
            work(Tile{position, std::min(width, line - position), first, std::min(shape_.outer, first + lines)}, tops);
          }
        });
  }

  /// Calls work(first element) for every line of the tile.
  template <class Work>
  void each_line(const Tile& tile, const Work& work) {
    for (int64_t i = tile.begin; i < tile.end; ++i) work(i * shape_.blocks * shape_.inner + tile.position);
  }

  const T* from_;
  T* to_;
  Blocks shape_;
  Format format_;
  NoiseKey key_;
  std::atomic<bool> fault_ = false;
};

void block_quantize_cpu(const at::Tensor& values, int64_t bits, int64_t dim, bool nearest, bool swalp, int64_t seed,
                        int64_t lane, const std::optional<at::Tensor>& position,
                        const std::optional<at::Tensor>& faults, at::Tensor out) {
  const int64_t at = position ? *position->const_data_ptr<int64_t>() : 0;
  const NoiseKey key = noise_key(static_cast<uint64_t>(seed), at, static_cast<uint32_t>(lane));
  const auto run = [&](auto type) {
    using T = decltype(type);
    const auto* from = static_cast<const T*>(values.const_data_ptr());
    auto* to = static_cast<T*>(out.data_ptr());
    const bool stream = to != from && static_cast<int64_t>(values.nbytes()) >= kStreamBytes;
    return BlockPass<T>(from, to, blocks_in(values, dim), {grid_of(bits, nearest), swalp, stream}, key).run();
  };
  const bool fault = values.scalar_type() == at::kFloat ? run(float{}) : run(uint16_t{});
  if (fault && faults) {
    auto* least = faults->data_ptr<int64_t>();
    *least = std::min(*least, fault_of(key));
  }
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CPU, m) { m.impl("block_quantize_out", &earlybird::block_quantize_cpu); }
