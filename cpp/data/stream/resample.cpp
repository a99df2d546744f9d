#include "data/stream/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace earlybird {
namespace {

constexpr int kOne = 1 << ResampleAxis::kBits, kHalf = kOne / 2;
constexpr size_t kSlack = 64;  // vector loads read past the end of a row

/// Rounds like std::lround for values from 0 on, without the call.
int16_t weight_of(double value) {
  const int whole = static_cast<int>(value);
  return static_cast<int16_t>(whole + (value - whole >= 0.5));
}

uint8_t byte_of(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> ResampleAxis::kBits, 0, 255)); }

size_t row_bytes(const ResampleAxis& across) { return across.first.size() * 3; }

/// Rows of the intermediate image start at multiples of a vector, with space for a store past the last pixel.
size_t row_stride(const ResampleAxis& across) { return (row_bytes(across) + 1 + 31) / 32 * 32; }

struct RowRange {
  int first, end;
};

/// Input rows that the second pass reads. Taps past the last row have weight 0 and read that row again.
RowRange rows_of(const ResampleAxis& down) {
  RowRange out{down.first[0], 0};
  for (size_t i = 0; i < down.first.size(); ++i) {
    const int16_t* weights = &down.weights[i * down.taps];
    int used = down.taps;
    while (used > 1 && weights[used - 1] == 0) --used;
    out.first = std::min(out.first, down.first[i]);
    out.end = std::max(out.end, down.first[i] + used);
  }
  return out;
}

void across_plain(const uint8_t* in, const ResampleAxis& axis, uint8_t* out) {
  for (size_t i = 0; i < axis.first.size(); ++i) {
    const uint8_t* pixel = in + static_cast<size_t>(axis.first[i]) * 3;
    const int16_t* weight = &axis.weights[i * axis.taps];
    int32_t sum[3] = {kHalf, kHalf, kHalf};
    for (int t = 0; t < axis.taps; ++t)
      for (int c = 0; c < 3; ++c) sum[c] += weight[t] * pixel[t * 3 + c];
    for (int c = 0; c < 3; ++c) out[i * 3 + c] = byte_of(sum[c]);
  }
}

void down_plain(const uint8_t* const* rows, const int16_t* weights, int taps, size_t from, size_t bytes, uint8_t* out) {
  for (size_t x = from; x < bytes; ++x) {
    int32_t sum = kHalf;
    for (int t = 0; t < taps; ++t) sum += weights[t] * rows[t][x];
    out[x] = byte_of(sum);
  }
}

#if defined(__x86_64__)

int32_t pair_at(const int16_t* weights) {
  int32_t out;
  std::memcpy(&out, weights, sizeof out);
  return out;
}

void store_pixel(uint8_t* out, int32_t pixel) { std::memcpy(out, &pixel, sizeof pixel); }

/// Resamples two rows at once, one in each half of a register. Each store writes four bytes; the next pixel overwrites
/// the last one.
__attribute__((target("avx2"))) void across_avx2(const uint8_t* a, const uint8_t* b, const ResampleAxis& axis,
                                                 uint8_t* out_a, uint8_t* out_b) {
  // Shuffles bytes of two neighbouring pixels into pairs of 16-bit numbers, colour by colour, for madd.
  const __m256i first_two =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  const __m256i next_two =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
  const __m256i half = _mm256_set1_epi32(kHalf);
  const int taps = axis.taps;
  const int16_t* weight = axis.weights.data();
  for (const int32_t first : axis.first) {
    const size_t offset = static_cast<size_t>(first) * 3;
    const uint8_t *from_a = a + offset, *from_b = b + offset;
    __m256i sum = half;
    for (int t = 0; t < taps; t += 4) {
      const __m256i pixels = _mm256_inserti128_si256(
          _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from_a + t * 3))),
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(from_b + t * 3)), 1);
      sum = _mm256_add_epi32(
          sum, _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, first_two), _mm256_set1_epi32(pair_at(weight + t))));
      if (t + 2 < taps)
        sum = _mm256_add_epi32(
            sum, _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, next_two), _mm256_set1_epi32(pair_at(weight + t + 2))));
    }
    weight += taps;
    sum = _mm256_srai_epi32(sum, ResampleAxis::kBits);
    sum = _mm256_packs_epi32(sum, sum);
    sum = _mm256_packus_epi16(sum, sum);
    store_pixel(out_a, _mm256_extract_epi32(sum, 0));
    store_pixel(out_b, _mm256_extract_epi32(sum, 4));
    out_a += 3;
    out_b += 3;
  }
}

__attribute__((target("avx2"))) void down_avx2(const uint8_t* const* rows, const int16_t* weights, int taps,
                                               size_t bytes, uint8_t* out) {
  const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi32(kHalf);
  for (size_t x = 0; x + 32 <= bytes; x += 32) {
    __m256i sum[4] = {half, half, half, half};
    for (int t = 0; t < taps; t += 2) {
      const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[t] + x));
      const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[t + 1] + x));
      const __m256i weight = _mm256_set1_epi32(pair_at(weights + t));
      const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
      sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(_mm256_unpacklo_epi8(low, zero), weight));
      sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(_mm256_unpackhi_epi8(low, zero), weight));
      sum[2] = _mm256_add_epi32(sum[2], _mm256_madd_epi16(_mm256_unpacklo_epi8(high, zero), weight));
      sum[3] = _mm256_add_epi32(sum[3], _mm256_madd_epi16(_mm256_unpackhi_epi8(high, zero), weight));
    }
    for (__m256i& one : sum) one = _mm256_srai_epi32(one, ResampleAxis::kBits);
    // The packs undo the unpacks, so that bytes keep their order.
    const __m256i packed = _mm256_packus_epi16(_mm256_packs_epi32(sum[0], sum[1]), _mm256_packs_epi32(sum[2], sum[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x), packed);
  }
}

/// Weights two rows: near + round((far - near) * weight) is the weighted sum, because the weights sum to one.
__attribute__((target("avx2"))) void down_two_avx2(const uint8_t* const* rows, const int16_t* weights, size_t bytes,
                                                   uint8_t* out) {
  const bool swapped = weights[1] > weights[0];
  const uint8_t *near = rows[swapped], *far = rows[!swapped];
  const __m256i zero = _mm256_setzero_si256();
  const __m256i weight = _mm256_set1_epi16(static_cast<int16_t>(2 * weights[!swapped]));
  for (size_t x = 0; x + 32 <= bytes; x += 32) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(near + x));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(far + x));
    __m256i low = _mm256_unpacklo_epi8(a, zero), high = _mm256_unpackhi_epi8(a, zero);
    const __m256i low_step = _mm256_sub_epi16(_mm256_unpacklo_epi8(b, zero), low);
    const __m256i high_step = _mm256_sub_epi16(_mm256_unpackhi_epi8(b, zero), high);
    low = _mm256_add_epi16(low, _mm256_mulhrs_epi16(low_step, weight));
    high = _mm256_add_epi16(high, _mm256_mulhrs_epi16(high_step, weight));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x), _mm256_packus_epi16(low, high));
  }
}

bool has_avx2() {
  static const bool has = [] {
    __builtin_cpu_init();
    return static_cast<bool>(__builtin_cpu_supports("avx2"));
  }();
  return has;
}

#else

bool has_avx2() { return false; }
void across_avx2(const uint8_t*, const uint8_t*, const ResampleAxis&, uint8_t*, uint8_t*) {}
void down_two_avx2(const uint8_t* const*, const int16_t*, size_t, uint8_t*) {}
void down_avx2(const uint8_t* const*, const int16_t*, int, size_t, uint8_t*) {}

#endif

void run(const uint8_t* pixels, size_t stride, const ResampleAxis& across, const ResampleAxis& down, uint8_t* out,
         ResampleScratch& scratch, bool vector) {
  const RowRange range = rows_of(down);
  const size_t between = row_stride(across), bytes = row_bytes(across);
  const size_t needed = between * static_cast<size_t>(range.end - range.first) + kSlack;
  if (scratch.between.size() < needed) scratch.between.resize(needed);
  const bool planned = vector && scratch.plan.set(across);
  for (int y = range.first; y < range.end; y += vector && !planned ? 2 : 1) {
    const uint8_t* from = pixels + static_cast<size_t>(y) * stride;
    uint8_t* to = scratch.between.data() + static_cast<size_t>(y - range.first) * between;
    const bool pair = y + 1 < range.end;  // otherwise the same row twice
    if (planned)
      scratch.plan.run(from, to);
    else if (vector)
      across_avx2(from, pair ? from + stride : from, across, to, pair ? to + between : to);
    else
      across_plain(from, across, to);
  }
  constexpr int kMostTaps = 1024;
  const uint8_t* rows[kMostTaps];
  std::vector<const uint8_t*> more;  // only where an image shrinks five hundredfold
  if (down.taps > kMostTaps) more.resize(down.taps);
  const uint8_t** picked = down.taps > kMostTaps ? more.data() : rows;
  for (size_t i = 0; i < down.first.size(); ++i, out += bytes) {
    for (int t = 0; t < down.taps; ++t)
      picked[t] = scratch.between.data() +
                  static_cast<size_t>(std::min(down.first[i] + t, range.end - 1) - range.first) * between;
    const int16_t* weights = &down.weights[i * down.taps];
    if (vector && down.taps == 2)
      down_two_avx2(picked, weights, bytes, out);
    else if (vector)
      down_avx2(picked, weights, down.taps, bytes, out);
    down_plain(picked, weights, down.taps, vector ? bytes / 32 * 32 : 0, bytes, out);
  }
}

}  // namespace

void ResampleAxis::set(double start, double length, int inputs, int64_t outputs, int64_t from, int count,
                       bool mirrored) {
  const double scale = length / static_cast<double>(outputs), stretch = std::max(scale, 1.0);
  taps = static_cast<int>(std::ceil(stretch)) * 2 + 1;
  taps = std::min(taps, inputs);
  taps += taps % 2;
  first.assign(count, 0);
  weights.assign(static_cast<size_t>(count) * taps, 0);
  int widest = 0;
  for (int i = 0; i < count; ++i) {
    const double centre = start + (static_cast<double>(from + i) + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(centre - stretch + 0.5));
    const int high = std::min(inputs, static_cast<int>(centre + stretch + 0.5));
    exact_.assign(high - low, 0.0);
    double total = 0;
    for (int x = low; x < high; ++x) {
      exact_[x - low] = std::max(0.0, 1.0 - std::abs(x + 0.5 - centre) / stretch);
      total += exact_[x - low];
    }
    const int position = mirrored ? count - 1 - i : i;
    int16_t* weight = &weights[static_cast<size_t>(position) * taps];
    int lead = 0;  // leaves out first taps of weight 0, which would widen the window
    while (lead + 1 < high - low && exact_[lead] <= 0) ++lead;
    int sum = 0, largest = 0, used = 0;
    for (int x = lead; x < high - low; ++x) {
      const int tap = x - lead;
      weight[tap] = weight_of(exact_[x] / total * kOne);
      sum += weight[tap];
      if (weight[tap] > weight[largest]) largest = tap;
      if (weight[tap] != 0) used = tap + 1;
    }
    weight[largest] = static_cast<int16_t>(weight[largest] + kOne - sum);  // a flat area keeps its value exactly
    first[position] = low + lead;
    widest = std::max(widest, used);
  }
  // Most windows need fewer taps than the bound above.
  const int needed = widest + widest % 2;
  if (needed < taps) {
    for (int i = 1; i < count; ++i)
      std::copy_n(&weights[static_cast<size_t>(i) * taps], needed, &weights[static_cast<size_t>(i) * needed]);
    taps = needed;
  }
  // Moves windows that reach past the last input back, because vector code reads all taps.
  for (int i = 0; i < count; ++i) {
    const int shift = std::min(first[i] + taps - inputs, first[i]);
    if (shift <= 0) continue;
    int16_t* weight = &weights[static_cast<size_t>(i) * taps];
    std::copy_backward(weight, weight + taps - shift, weight + taps);
    std::fill_n(weight, shift, int16_t{0});
    first[i] -= shift;
  }
}

void resample(const uint8_t* pixels, size_t stride, const ResampleAxis& across, const ResampleAxis& down, uint8_t* out,
              ResampleScratch& scratch) {
  run(pixels, stride, across, down, out, scratch, has_avx2());
}

void resample_parts::resample_plain(const uint8_t* pixels, size_t stride, const ResampleAxis& across,
                                    const ResampleAxis& down, uint8_t* out, ResampleScratch& scratch) {
  run(pixels, stride, across, down, out, scratch, false);
}

}  // namespace earlybird
