#include "layer/conv/winograd_tiles.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/every_cpu.h"

namespace earlybird::winograd {
namespace {

/// The same pixel or weight of eight neighbouring channels.
using Lane = float __attribute__((vector_size(kLanes * sizeof(float))));
using Words = uint32_t __attribute__((vector_size(kLanes * sizeof(uint32_t))));
using Halves = uint16_t __attribute__((vector_size(kLanes * sizeof(uint16_t))));

// --- Eight channels in and out, float32 or bfloat16 ---

EB_INLINE void load(Lane& out, const float* from) { std::memcpy(&out, from, sizeof(Lane)); }

EB_INLINE void load(Lane& out, const at::BFloat16* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof(Halves));
  const Words words = __builtin_convertvector(halves, Words) << 16;
  std::memcpy(&out, &words, sizeof(Lane));
}

EB_INLINE void store(float* to, const Lane& value) { std::memcpy(to, &value, sizeof(Lane)); }

/// Rounds to nearest, ties to even; NaN stays NaN.
EB_INLINE void store(at::BFloat16* to, const Lane& value) {
  Words bits;
  std::memcpy(&bits, &value, sizeof(Lane));
  const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Words nan = (Words)((bits & 0x7fffffff) > 0x7f800000);
  const Halves halves = __builtin_convertvector((rounded & ~nan) | (nan & 0x7fc0), Halves);
  std::memcpy(static_cast<void*>(to), &halves, sizeof(Halves));
}

EB_INLINE void round_to_bf16(Lane& value) {
  Words bits;
  std::memcpy(&bits, &value, sizeof(Lane));
  const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
  const Words nan = (Words)((bits & 0x7fffffff) > 0x7f800000);
  bits = (rounded & ~nan) | (nan & 0x7fc00000);
  std::memcpy(&value, &bits, sizeof(Lane));
}

/// Replaces NaN by the one whose mantissa has one bit.
EB_INLINE void quieten(Lane& value) {
  const Lane quiet = Lane{} + std::numeric_limits<float>::quiet_NaN();
  value = value == value ? value : quiet;
}

/// Rounds to bfloat16 what a bfloat16 value, multiplied and added to, became. If that value was NaN, or a factor that
/// quieten() has seen, the mantissa has zeros in its lower half, and the addition cannot turn it into a number.
EB_INLINE void round_bf16_sum(Lane& value) {
  Words bits;
  std::memcpy(&bits, &value, sizeof(Lane));
  bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
  std::memcpy(&value, &bits, sizeof(Lane));
}

// --- The transforms of one line, whose elements are `step` apart ---

/// B^T: six pixels.
EB_INLINE void window_to_planes(Lane* line, int step) {
  Lane &d0 = line[0], &d1 = line[step], &d2 = line[2 * step], &d3 = line[3 * step], &d4 = line[4 * step],
       &d5 = line[5 * step];
  const Lane a = d3 - d1, b = d4 - d2, sum = d3 + d2, difference = d3 - d2, first = d0 - d2, last = d5 - d3;
  d0 = first + b + 1.5f * a;
  d1 = b + a + 1.5f * sum;
  d2 = b - a + 1.5f * difference;
  d3 = b + 2.0f * a;
  d4 = b - 0.5f * a;
  d5 = last - a + 1.5f * b;
}

/// A^T: six planes to four outputs, left in the first four places.
EB_INLINE void planes_to_outputs(Lane* line, int step) {
  const Lane m1 = line[step], m2 = line[2 * step], m3 = line[3 * step], m4 = line[4 * step], m5 = line[5 * step];
  const Lane sum = m1 + m2, difference = m1 - m2;
  line[0] += sum + m3 + m4;
  line[step] = difference + 0.5f * m3 - 2.0f * m4;
  line[2 * step] = sum + 0.25f * m3 + 4.0f * m4;
  line[3 * step] = difference + 0.125f * m3 - 8.0f * m4 + m5;
}

/// A: the gradients of four outputs to six planes.
EB_INLINE void outputs_to_planes(Lane* line, int step) {
  const Lane y0 = line[0], y1 = line[step], y2 = line[2 * step], y3 = line[3 * step];
  const Lane even = y0 + y2, odd = y1 + y3;
  line[step] = even + odd;
  line[2 * step] = even - odd;
  line[3 * step] = y0 + 0.5f * y1 + 0.25f * y2 + 0.125f * y3;
  line[4 * step] = y0 - 2.0f * y1 + 4.0f * y2 - 8.0f * y3;
  line[5 * step] = y3;
}

/// G: three weights to six planes.
EB_INLINE void weights_to_planes(Lane* line, int step) {
  const Lane g0 = line[0], g1 = line[step], g2 = line[2 * step];
  const Lane outer = (g0 + g2) * (1.0f / 3), middle = g1 * (1.0f / 3);
  line[step] = outer + middle;
  line[2 * step] = middle - outer;
  line[3 * step] = -(16.0f * g0 + 8.0f * g1 + 4.0f * g2) * (1.0f / 15);
  line[4 * step] = (g0 - 2.0f * g1 + 4.0f * g2) * (1.0f / 15);
  line[5 * step] = g2;
}

/// G^T: six planes to the gradients of three weights.
EB_INLINE void planes_to_weights(Lane* line, int step) {
  const Lane u0 = line[0], u1 = line[step], u2 = line[2 * step], u3 = line[3 * step], u4 = line[4 * step],
             u5 = line[5 * step];
  const Lane difference = (u1 - u2) * (1.0f / 3);
  line[0] = u0 + difference - u3 * (16.0f / 15) + u4 * (1.0f / 15);
  line[step] = (u1 + u2) * (1.0f / 3) - u3 * (8.0f / 15) - u4 * (2.0f / 15);
  line[2 * step] = difference - u3 * (4.0f / 15) + u4 * (4.0f / 15) + u5;
}

// --- Tiles of images ---

/// If the number of channels is not a multiple of eight, the last eight overlap those before them. Pruned layers have
/// any number of channels, and handling the rest one by one took as long as all the others.
EB_INLINE int64_t last_whole(int64_t channel, int64_t channels) { return std::min(channel, channels - kLanes); }

/// Runs `body(tile, its image, its first pixel row and column)` for each tile of [begin, end).
template <typename Body>
EB_INLINE void each_tile(const Grid& grid, int64_t begin, int64_t end, const Body& body) {
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t column = tile % grid.columns, row = tile / grid.columns % grid.rows,
                  image = tile / (grid.columns * grid.rows);
    body(tile, image, row * kTile, column * kTile);
  }
}

/// Reads `size` x `size` pixels from (top, left) of each tile, zero outside the image, transforms rows and columns by
/// `Transform`, and writes 36 planes.
template <typename T, bool kNormalises, int size, int margin, void (*transform)(Lane*, int)>
EB_INLINE void read_tiles(const Images<T>& images, int64_t begin, int64_t end, int64_t first, const Planes& planes) {
  const Grid& grid = images.grid;
  each_tile(grid, begin, end, [&](int64_t tile, int64_t image, int64_t top, int64_t left) EB_ALWAYS {
    const T* from = images.data + image * grid.height * grid.width * grid.channels;
    float* to = planes.data + (tile - first) * planes.row;
    for (int64_t next = 0; next < grid.channels; next += kLanes) {
      const int64_t channel = last_whole(next, grid.channels);
      Lane window[kPlanes], scale, shift;
      if constexpr (kNormalises) {
        load(scale, images.scale + channel);
        load(shift, images.shift + channel);
        quieten(scale);
        quieten(shift);
      }
      for (int i = 0; i < size; ++i) {
        const int64_t y = top + i - margin;
        for (int j = 0; j < size; ++j) {
          const int64_t x = left + j - margin;
          const bool inside = y >= 0 && y < grid.height && x >= 0 && x < grid.width;
          Lane& pixel = window[i * kWindow + j];
          if (!inside) {
            pixel = Lane{};
            continue;
          }
          load(pixel, from + (y * grid.width + x) * grid.channels + channel);
          if constexpr (kNormalises) {
            pixel = pixel * scale + shift;
            pixel = Lane{} > pixel ? Lane{} : pixel;
            if constexpr (!std::is_same_v<T, float>) round_bf16_sum(pixel);
          }
        }
      }
      for (int j = 0; j < size; ++j) transform(window + j, kWindow);
      for (int i = 0; i < kWindow; ++i) transform(window + i * kWindow, 1);
      for (int p = 0; p < kPlanes; ++p) std::memcpy(to + p * planes.plane + channel, window + p, sizeof(Lane));
    }
  });
}

/// Writes the outputs of each tile from its 36 planes, except those outside the image.
template <typename T>
EB_INLINE void write_tiles(T* images, const Grid& grid, int64_t begin, int64_t end, int64_t first,
                           const Planes& planes) {
  each_tile(grid, begin, end, [&](int64_t tile, int64_t image, int64_t top, int64_t left) EB_ALWAYS {
    T* to = images + image * grid.height * grid.width * grid.channels;
    const float* from = planes.data + (tile - first) * planes.row;
    const int64_t height = std::min<int64_t>(kTile, grid.height - top),
                  width = std::min<int64_t>(kTile, grid.width - left);
    for (int64_t next = 0; next < grid.channels; next += kLanes) {
      const int64_t channel = last_whole(next, grid.channels);
      Lane window[kPlanes];
      for (int p = 0; p < kPlanes; ++p) std::memcpy(window + p, from + p * planes.plane + channel, sizeof(Lane));
      for (int j = 0; j < kWindow; ++j) planes_to_outputs(window + j, kWindow);
      for (int i = 0; i < kTile; ++i) planes_to_outputs(window + i * kWindow, 1);
      for (int64_t i = 0; i < height; ++i)
        for (int64_t j = 0; j < width; ++j)
          store(to + ((top + i) * grid.width + left + j) * grid.channels + channel, window[i * kWindow + j]);
    }
  });
}

}  // namespace

#define EB_TILE_KERNELS(T)                                                                                \
  EB_EVERY_CPU void read_inputs(const Images<T>& images, int64_t begin, int64_t end, int64_t first,       \
                                const Planes& planes) {                                                   \
    if (images.scale)                                                                                     \
      read_tiles<T, true, kWindow, 1, window_to_planes>(images, begin, end, first, planes);               \
    else                                                                                                  \
      read_tiles<T, false, kWindow, 1, window_to_planes>(images, begin, end, first, planes);              \
  }                                                                                                       \
  EB_EVERY_CPU void read_gradients(const Images<T>& images, int64_t begin, int64_t end, int64_t first,    \
                                   const Planes& planes) {                                                \
    read_tiles<T, false, kTile, 0, outputs_to_planes>(images, begin, end, first, planes);                 \
  }                                                                                                       \
  EB_EVERY_CPU void write_outputs(T* images, const Grid& grid, int64_t begin, int64_t end, int64_t first, \
                                  const Planes& planes) {                                                 \
    write_tiles<T>(images, grid, begin, end, first, planes);                                              \
  }

EB_TILE_KERNELS(float)
EB_TILE_KERNELS(at::BFloat16)

#undef EB_TILE_KERNELS

// --- Weights ---

namespace {

/// Eight columns at eight places of the depth, as eight vectors of columns. `columns` and `depth` are steps in memory.
EB_INLINE void read_square(Lane* out, const float* from, int64_t columns, int64_t depth, int64_t column_count) {
  if (columns == 1 && column_count >= kLanes) {
    for (int d = 0; d < kLanes; ++d) load(out[d], from + d * depth);
    return;
  }
  float values[kLanes][kLanes];
  for (int64_t c = 0; c < kLanes; ++c)
    for (int64_t d = 0; d < kLanes; ++d) values[d][c] = from[std::min(c, column_count - 1) * columns + d * depth];
  for (int d = 0; d < kLanes; ++d) load(out[d], values[d]);
}

}  // namespace

EB_EVERY_CPU void read_weights(const float* weight, int64_t in, int64_t block, bool turned, bool rounded, int64_t depth,
                               int64_t columns, float* to, int64_t plane) {
  const int64_t column_step = turned ? 1 : 9 * in, depth_step = turned ? 9 * in : 1;
  const int64_t stop = std::min(columns, (block + 1) * product::kBlock);
  for (int64_t next = 0; next < depth; next += kLanes) {
    const int64_t first = last_whole(next, depth);
    for (int64_t column = block * product::kBlock; column < stop; column += kLanes) {
      Lane squares[9][kLanes];
      for (int k = 0; k < 9; ++k)
        read_square(squares[k], weight + column * column_step + first * depth_step + (turned ? 8 - k : k) * in,
                    column_step, depth_step, columns - column);
      for (int d = 0; d < kLanes; ++d) {
        Lane window[kPlanes];
        for (int k = 0; k < 9; ++k) {
          Lane& value = window[k / 3 * kWindow + k % 3];
          value = squares[k][d];
          if (rounded) round_to_bf16(value);
        }
        for (int j = 0; j < 3; ++j) weights_to_planes(window + j, kWindow);
        for (int i = 0; i < kWindow; ++i) weights_to_planes(window + i * kWindow, 1);
        float* written = to + (first + d) * product::kBlock + column % product::kBlock;
        for (int p = 0; p < kPlanes; ++p) std::memcpy(written + p * plane, window + p, sizeof(Lane));
      }
    }
  }
}

EB_EVERY_CPU void write_weight_gradients(float* weight, int64_t begin, int64_t end, int64_t in, const Planes& planes) {
  for (int64_t out = begin; out < end; ++out) {
    const float* from = planes.data + out * planes.row;
    for (int64_t next = 0; next < in; next += kLanes) {
      const int64_t channel = last_whole(next, in);
      Lane window[kPlanes];
      for (int p = 0; p < kPlanes; ++p) std::memcpy(window + p, from + p * planes.plane + channel, sizeof(Lane));
      for (int j = 0; j < kWindow; ++j) planes_to_weights(window + j, kWindow);
      for (int i = 0; i < 3; ++i) planes_to_weights(window + i * kWindow, 1);
      for (int k = 0; k < 9; ++k) store(weight + (out * 9 + k) * in + channel, window[k / 3 * kWindow + k % 3]);
    }
  }
}

}  // namespace earlybird::winograd
