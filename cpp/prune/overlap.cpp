#include "prune/overlap.h"

#include <bit>
#include <cstring>

namespace earlybird {

std::vector<double> mask_overlap(const uint8_t* masks, size_t count, size_t bits) {
  const size_t bytes = (bits + 7) / 8, words = (bytes + 7) / 8;
  // Zero padding is equal in every row, so it never counts as a difference.
  std::vector<uint64_t> rows(count * words, 0);
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(rows.data() + i * words, masks + i * bytes, bytes);
    if (bits % 8)
      reinterpret_cast<uint8_t*>(rows.data() + i * words)[bytes - 1] &= static_cast<uint8_t>(0xFF << (8 - bits % 8));
  }
  std::vector<double> overlap(count * count);
  for (size_t i = 0; i < count; ++i)
    for (size_t j = i; j < count; ++j) {
      size_t different = 0;
      for (size_t w = 0; w < words; ++w) different += std::popcount(rows[i * words + w] ^ rows[j * words + w]);
      const double equal = bits ? static_cast<double>(bits - different) / static_cast<double>(bits) : 1.0;
      overlap[i * count + j] = overlap[j * count + i] = equal;
    }
  return overlap;
}

}  // namespace earlybird
