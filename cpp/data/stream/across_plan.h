#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace earlybird {

class ResampleAxis;

/// The first pass of resampling where neighbouring windows overlap, as a table of shuffles: one load then serves two or
/// more pixels, and a whole register of bytes is stored at once. It needs AVX2, is made once an image and used for each
/// of its rows.
class AcrossPlan {
 public:
  /// False where windows lie too far apart for one load (the image shrinks more than threefold).
  bool set(const ResampleAxis& axis);

  /// Resamples one row. Reads up to 16 bytes past its last pixel, and writes whole registers of 32 bytes.
  void run(const uint8_t* row, uint8_t* out) const;

 private:
  bool set_run(const ResampleAxis& axis, size_t run, size_t bytes);
  void run_pairs(const uint8_t* row, uint8_t* out) const;
  void run_two(const uint8_t* row, uint8_t* out) const;

  size_t registers_ = 0;  // number of them, of 32 output bytes each
  int taps_ = 0;
  std::vector<int32_t> offsets_;  // per run of output bytes: its first input byte
  std::vector<uint8_t>
      shuffles_;  // per run: 16 places of its inputs; with two taps 16 of the near and 16 of the far ones
  std::vector<int16_t> weights_;  // per run: 8 for each pair of taps; with two taps twice those of the far ones
};

}  // namespace earlybird
