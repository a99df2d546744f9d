// The division of memory into blocks of MX, for CPU and CUDA.
#pragma once

#include <algorithm>
#include <cstdint>

namespace earlybird::mx {

/// The memory of a dense tensor as outer x length x inner elements: those that differ in the middle index alone are one
/// row, which is cut into blocks.
struct Rows {
  int64_t outer = 0, length = 1, inner = 1;
  constexpr int64_t elements() const { return outer * length * inner; }
  constexpr int64_t blocks(int64_t block) const { return (length + block - 1) / block; }
};

/// `count` contiguous elements from `begin` on: whole rows of `length`, or a piece of one.
struct Tile {
  int64_t begin, count, length;
};

/// Rows that are contiguous, in tiles of at most `most` elements, a multiple of every block.
class Tiles {
 public:
  constexpr Tiles(const Rows& rows, int64_t block, int64_t most)
      : most_(most), length_(rows.length), outer_(rows.outer) {
    // Without short blocks all rows are one.
    if (length_ % block == 0) length_ = rows.elements(), outer_ = 1;
    together_ = std::max<int64_t>(1, most / length_);
    pieces_ = static_cast<uint32_t>((length_ - 1) / most + 1);
    count_ = static_cast<uint32_t>((outer_ - 1) / together_ + 1) * pieces_;
  }

  uint32_t count() const { return count_; }

  constexpr Tile tile(uint32_t index) const {
    const int64_t row = index / pieces_ * together_, first = index % pieces_ * most_;
    const int64_t length = std::min(most_, length_ - first);
    return {row * length_ + first, std::min(together_, outer_ - row) * length, length};
  }

 private:
  int64_t most_, length_, outer_, together_;
  uint32_t pieces_, count_;
};

/// A block of each of `rows` neighbouring rows: entry j of row i is element begin + j * inner + i.
struct Strip {
  int64_t begin, rows, entries;
};

/// Rows whose entries lie apart, in strips of at most `most` rows.
class Strips {
 public:
  constexpr Strips(const Rows& rows, int64_t block, int64_t most)
      : rows_(rows),
        block_(block),
        most_(most),
        across_(static_cast<uint32_t>((rows.inner - 1) / most + 1)),
        blocks_(static_cast<uint32_t>(rows.blocks(block))) {}

  uint32_t count() const { return static_cast<uint32_t>(rows_.outer) * blocks_ * across_; }

  constexpr Strip strip(uint32_t index) const {
    const int64_t outer = index / across_ / blocks_, entry = index / across_ % blocks_ * block_,
                  row = index % across_ * most_;
    return {(outer * rows_.length + entry) * rows_.inner + row, std::min(most_, rows_.inner - row),
            std::min(block_, rows_.length - entry)};
  }

 private:
  Rows rows_;
  int64_t block_, most_;
  uint32_t across_, blocks_;
};

}  // namespace earlybird::mx
