#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/stream/across_plan.h"

namespace earlybird {

/// Resizing of one axis of an image: each output is a weighted sum of `taps` neighbouring inputs. The
/// weights are those of Pillow's antialiased bilinear filter (a triangle as wide as two output pixels, never narrower
/// than two input pixels), as fractions of 2^14 that sum to exactly that.
class ResampleAxis {
 public:
  static constexpr int kBits = 14;
  int taps = 0;                  // even; surplus taps have weight 0
  std::vector<int32_t> first;    // per output position: the first input
  std::vector<int16_t> weights;  // per output position: `taps` of them

  /// Maps inputs [start, start + length) of `inputs` to `outputs` positions, and keeps `count` positions from `from`
  /// on, mirrored on request. Also uses inputs outside that range if they exist. Reuses its memory.
  void set(double start, double length, int inputs, int64_t outputs, int64_t from, int count, bool mirrored);

 private:
  std::vector<double> exact_;
};

/// Scratch of one thread.
struct ResampleScratch {
  std::vector<uint8_t> between;
  AcrossPlan plan;
};

/// Resizes RGB rows (`stride` bytes apart, with 64 readable bytes after the last) to dense RGB at `out`: across, then
/// down, rounded to bytes in between, like Pillow. Integer arithmetic gives the same bytes on every machine.
void resample(const uint8_t* pixels, size_t stride, const ResampleAxis& across, const ResampleAxis& down, uint8_t* out,
              ResampleScratch& scratch);

namespace resample_parts {
/// The plain twin of the vector code, for machines without AVX2 and for the test that compares them.
void resample_plain(const uint8_t* pixels, size_t stride, const ResampleAxis& across, const ResampleAxis& down,
                    uint8_t* out, ResampleScratch& scratch);
}  // namespace resample_parts

}  // namespace earlybird
