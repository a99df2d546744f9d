#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "core/lanes.h"

// The loops of the kernels of fused_norm.h over images on the CPU: rows, vectors in slots, sums, and ranges for the
// threads.
namespace earlybird::fused_norm {

using Floats = std::vector<float>;

/// Number of rows that are summed in float32 before the sum is added to the float64 one.
constexpr int64_t kFloatSums = 32;

/// Images as kernels see them: rows of channels. Pixels of fewer channels than a vector has values lie in one row
/// together, as `copies` of the layer, since channels one at a time take several times as long.
struct Rows {
  explicit Rows(const at::Tensor& images) : Rows(images, images.size(1)) {}
  Rows(const at::Tensor& images, int64_t channels)
      : pixels(images.size(0) * images.size(2) * images.size(3)),
        copies(channels < 16 ? std::gcd<int64_t>(pixels, 16) : 1),
        channels(channels),
        count(pixels / copies),
        width(channels * copies) {}

  int64_t pixels, copies, channels, count, width;

  /// Number of rows that a kernel takes at once: few enough that they and the next ones stay in the first cache.
  int64_t block() const { return std::clamp<int64_t>(512 / width, 1, kFloatSums); }
};

/// A vector of channels in the slots of T, once for each copy in a row.
template <class T>
Floats in_slots(const float* of_channels, const Rows& rows) {
  Floats row(rows.width), out(lanes::slots(rows.width));
  for (int64_t k = 0; k < rows.width; ++k) row[k] = of_channels[k % rows.channels];
  lanes::to_slots<T>(row.data(), rows.width, out.data());
  return out;
}

constexpr int64_t kChunks = 64;

/// Number of rows whose sums are added up on one thread. It depends only on the images.
inline int64_t chunk_of(const Rows& rows) {
  return std::max<int64_t>(kFloatSums, (rows.count + kChunks - 1) / kChunks);
}

/// Calls `work` with the blocks of rows [first, first + count).
template <class Work>
void blocks_of(const Rows& rows, int64_t first, int64_t count, const Work& work) {
  for (int64_t r = first, block = rows.block(); r < first + count; r += block)
    work(r, std::min(block, first + count - r));
}

/// Two float64 sums a channel over all pixels. The order does not depend on the number of threads, because the chunk
/// size depends only on the images; the rows of a chunk come in theirs, on one thread. `work` adds rows [first, first +
/// count), at most kFloatSums, to two float32 sums, which lie in slots.
template <class T, class Work>
std::vector<double> sum_rows(const Rows& rows, const Work& work) {
  const int64_t size = chunk_of(rows);
  const int64_t chunks = std::max<int64_t>(1, (rows.count + size - 1) / size), slots = lanes::slots(rows.width);
  std::vector<double> partial(chunks * 2 * slots);
  at::parallel_for(0, chunks, 1, [&](int64_t from, int64_t to) {
    Floats sums(2 * slots);
    // Backwards, as the pass before went forwards: what it touched last is still in the cache, and where this pass ends
    // the next one begins.
    for (int64_t chunk = to - 1; chunk >= from; --chunk) {
      double* out = partial.data() + chunk * 2 * slots;
      const int64_t end = std::min(rows.count, (chunk + 1) * size);
      for (int64_t first = chunk * size; first < end; first += kFloatSums) {
        std::fill(sums.begin(), sums.end(), 0.0f);
        work(first, std::min(kFloatSums, end - first), sums.data(), sums.data() + slots);
        for (int64_t k = 0; k < 2 * slots; ++k) out[k] += sums[k];
      }
    }
  });
  for (int64_t chunk = 1; chunk < chunks; ++chunk)
    for (int64_t k = 0; k < 2 * slots; ++k) partial[k] += partial[chunk * 2 * slots + k];
  // Takes the sums out of the slots: sending the numbers of the channels there shows which slot holds which channel.
  Floats number(rows.width);
  std::iota(number.begin(), number.end(), 0.0f);
  Floats whose(slots);
  lanes::to_slots<T>(number.data(), rows.width, whose.data());
  std::vector<int64_t> slot_of(rows.width);
  for (int64_t slot = 0; slot < slots; ++slot) slot_of[static_cast<int64_t>(whose[slot])] = slot;
  std::vector<double> out(2 * rows.channels);
  for (int64_t k = 0; k < rows.width; ++k) {
    out[k % rows.channels] += partial[slot_of[k]];
    out[rows.channels + k % rows.channels] += partial[slots + slot_of[k]];
  }
  return out;
}

/// Calls `work` with ranges of rows on all threads, no more ranges than threads.
template <class Work>
void each_part(const Rows& rows, const Work& work) {
  at::parallel_for(0, rows.count, std::max<int64_t>(1, 16384 / rows.width), work);
}

/// Calls `work` with blocks of rows on all threads.
template <class Work>
void each_block(const Rows& rows, const Work& work) {
  each_part(rows, [=, block = rows.block()](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; r += block) work(r, std::min(block, to - r));
  });
}

}  // namespace earlybird::fused_norm
