#pragma once

#include <ATen/core/Tensor.h>

#include "layer/conv/product.h"

// The transforms of winograd.cpp: between images or weights and the matrices that are multiplied, on one thread.
namespace earlybird::winograd {

constexpr int kTile = 4;            // outputs of a tile, in each direction
constexpr int kWindow = kTile + 2;  // inputs of a tile
constexpr int kPlanes = kWindow * kWindow;
constexpr int kLanes = 8;

/// The tiles of a batch of images, numbered along rows, then down, then through the batch.
struct Grid {
  int64_t height, width, channels, rows, columns, count;

  explicit Grid(const at::Tensor& images)
      : height(images.size(2)),
        width(images.size(3)),
        channels(images.size(1)),
        rows((height + kTile - 1) / kTile),
        columns((width + kTile - 1) / kTile),
        count(images.size(0) * rows * columns) {}
};

/// Images in memory. Where `scale` is not null they are normalised as they are read (norm_relu.h).
template <typename Pixel>
struct Images {
  const Pixel* data;
  Grid grid;
  const float *scale = nullptr, *shift = nullptr;
};

/// Thirty-six matrices (rows, channels), one for each plane. Rows and planes are an odd number of cache lines apart:
/// otherwise the lines that are written or read together would often fall into the same cache set.
struct Planes {
  int64_t channels, row, plane;
  float* data;

  static int64_t row_of(int64_t channels) {
    return (channels + product::kBlock - 1) / product::kBlock / 2 * 2 * product::kBlock + product::kBlock;
  }
  static int64_t plane_of(int64_t rows, int64_t channels) { return (rows * row_of(channels) / 16 | 1) * 16; }
  /// Size in floats.
  static int64_t size_of(int64_t rows, int64_t channels) { return kPlanes * plane_of(rows, channels); }

  Planes(float* to, int64_t rows, int64_t count)
      : channels(count), row(row_of(count)), plane(plane_of(rows, count)), data(to) {}

  product::Matrix matrix(int p) const { return {data + p * plane, row, product::kBlock}; }
};

/// Transforms the tiles [begin, end) of images, whose pixels are zero outside, to planes that begin with tile `first`.
void read_inputs(const Images<float>& images, int64_t begin, int64_t end, int64_t first, const Planes& planes);
void read_inputs(const Images<at::BFloat16>& images, int64_t begin, int64_t end, int64_t first, const Planes& planes);

/// The same for gradients of results, which are never normalised.
void read_gradients(const Images<float>& images, int64_t begin, int64_t end, int64_t first, const Planes& planes);
void read_gradients(const Images<at::BFloat16>& images, int64_t begin, int64_t end, int64_t first,
                    const Planes& planes);

/// Transforms planes to the results of the tiles, except those outside the image.
void write_outputs(float* images, const Grid& grid, int64_t begin, int64_t end, int64_t first, const Planes& planes);
void write_outputs(at::BFloat16* images, const Grid& grid, int64_t begin, int64_t end, int64_t first,
                   const Planes& planes);

/// Transforms the block of columns `block` of weights (out, 3, 3, in) in memory to 36 planes (in, out), `plane` floats
/// apart. `turned` turns the weights by 180 degrees, to planes (out, in), for the gradient of the images; `rounded`
/// rounds them to bfloat16 first. The planes have `depth` rows and `columns` columns; blocks are written as a whole, in
/// whole lines.
void read_weights(const float* weight, int64_t in, int64_t block, bool turned, bool rounded, int64_t depth,
                  int64_t columns, float* to, int64_t plane);

/// Transforms rows [begin, end) of planes (out, in) to the gradient of the weights.
void write_weight_gradients(float* weight, int64_t begin, int64_t end, int64_t in, const Planes& planes);

}  // namespace earlybird::winograd
