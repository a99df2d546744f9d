#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "layer/conv/integer_product.h"
#include "layer/conv/winograd_tiles.h"

// The operands of the products in winograd.cpp: planes as they come out of the transforms, or as integers.
namespace earlybird::winograd {

/// Planes with memory of their own.
struct HeldPlanes {
  at::Tensor storage;
  Planes planes;

  HeldPlanes(int64_t rows, int64_t channels)
      : storage(at::empty({Planes::size_of(rows, channels)}, at::kFloat)),
        planes(storage.data_ptr<float>(), rows, channels) {}
};

/// The planes of weights as right matrices (depth, columns), in packed blocks of columns. Planes are an odd number of
/// cache lines apart, as those of images are.
struct HeldWeights {
  int64_t depth, plane;
  at::Tensor storage;
  float* data;

  HeldWeights(int64_t rows, int64_t columns)
      : depth(rows),
        plane(rows * product::whole_blocks(columns) + product::kBlock),
        storage(at::empty({kPlanes * plane}, at::kFloat)),
        data(storage.data_ptr<float>()) {}

  float* block(int64_t number) const { return data + number * depth * product::kBlock; }
  product::Matrix matrix(int p) const { return {block(0) + p * plane, product::kBlock, depth * product::kBlock}; }
};

/// A scale for each row or column of each plane.
struct Scales {
  int64_t plane;
  at::Tensor storage;
  float* data;

  explicit Scales(int64_t count)
      : plane(product::whole_blocks(count)),
        storage(at::empty({kPlanes * plane}, at::kFloat)),
        data(storage.data_ptr<float>()) {}

  float* at(int p) const { return data + p * plane; }
};

/// The weights (out, 3, 3, in) by which a plane of `depth` channels is multiplied; see read_weights.
struct WeightsToRead {
  const at::Tensor& weight;
  int64_t depth, columns;
  bool turned, rounded;
};

struct InFloats {
  struct Weights : HeldWeights {
    explicit Weights(const WeightsToRead& weights);
  };

  /// Left matrices (tiles, channels).
  struct Inputs : HeldPlanes {
    using HeldPlanes::HeldPlanes;

    /// See read_inputs.
    template <typename Pixel>
    void read(const Images<Pixel>& images, int64_t begin, int64_t end, int64_t first) const {
      read_inputs(images, begin, end, first, planes);
    }

    /// Plane `p` of `tiles` tiles, times columns of the weights.
    void multiply(int p, int64_t tiles, const Weights& weights, int64_t column, int64_t columns,
                  product::Matrix result) const;
  };

  /// Matrices (tiles, channels) whose product has the tiles along its depth.
  struct Columns : HeldPlanes {
    using HeldPlanes::HeldPlanes;

    /// Call when the first `tiles` tiles have been written to `planes`.
    void settle(int64_t) const {}

    /// All columns of plane `p`, transposed, times columns of `right`.
    void multiply(int p, int64_t tiles, const Columns& right, int64_t column, int64_t columns, product::Matrix result,
                  bool add) const;
  };
};

/// The same with integers (integer_product.h).
struct InIntegers {
  struct Weights {
    HeldWeights words;
    Scales scales;

    explicit Weights(const WeightsToRead& weights);
  };

  struct Inputs {
    int64_t channels;
    HeldPlanes words;
    Scales scales;

    Inputs(int64_t tiles, int64_t count) : channels(count), words(tiles, product::words_of(count)), scales(tiles) {}

    template <typename Pixel>
    void read(const Images<Pixel>& images, int64_t begin, int64_t end, int64_t first) const {
      const HeldPlanes one(1, channels);
      for (int64_t tile = begin; tile < end; ++tile) {
        read_inputs(images, tile, tile + 1, tile, one.planes);
        take(one.planes, tile - first);
      }
    }

    void multiply(int p, int64_t tiles, const Weights& weights, int64_t column, int64_t columns,
                  product::Matrix result) const;

   private:
    void take(const Planes& one, int64_t tile) const;
  };

  struct Columns : HeldPlanes {
    int64_t channels;
    HeldPlanes words;
    Scales scales;

    Columns(int64_t tiles, int64_t count)
        : HeldPlanes(tiles, count), channels(count), words(product::words_of(tiles), count), scales(count) {}

    void settle(int64_t tiles) const;

    void multiply(int p, int64_t tiles, const Columns& right, int64_t column, int64_t columns, product::Matrix result,
                  bool add) const;
  };
};

}  // namespace earlybird::winograd
