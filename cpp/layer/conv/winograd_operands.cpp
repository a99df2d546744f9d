#include "layer/conv/winograd_operands.h"

#include <ATen/Parallel.h>

namespace earlybird::winograd {
namespace {

int64_t blocks_of(int64_t columns) { return product::whole_blocks(columns) / product::kBlock; }

void read_block(const WeightsToRead& from, int64_t block, float* to, int64_t plane) {
  read_weights(from.weight.const_data_ptr<float>(), from.weight.size(1), block, from.turned, from.rounded, from.depth,
               from.columns, to, plane);
}

}  // namespace

InFloats::Weights::Weights(const WeightsToRead& from) : HeldWeights(from.depth, from.columns) {
  at::parallel_for(0, blocks_of(from.columns), 1, [&](int64_t begin, int64_t end) {
    for (int64_t number = begin; number < end; ++number) read_block(from, number, block(number), plane);
  });
}

void InFloats::Inputs::multiply(int p, int64_t tiles, const Weights& weights, int64_t column, int64_t columns,
                                product::Matrix result) const {
  product::multiply(tiles, columns, weights.depth, planes.matrix(p), false, weights.matrix(p).from_column(column),
                    result, false);
}

void InFloats::Columns::multiply(int p, int64_t tiles, const Columns& right, int64_t column, int64_t columns,
                                 product::Matrix result, bool add) const {
  product::multiply(planes.channels, columns, tiles, planes.matrix(p), true, right.planes.matrix(p).from_column(column),
                    result, add);
}

InIntegers::Weights::Weights(const WeightsToRead& from)
    : words(product::words_of(from.depth), from.columns), scales(from.columns) {
  at::parallel_for(0, blocks_of(from.columns), 1, [&](int64_t begin, int64_t end) {
    const HeldWeights one(from.depth, product::kBlock);
    for (int64_t number = begin; number < end; ++number) {
      read_block(from, number, one.data, one.plane);
      for (int p = 0; p < kPlanes; ++p)
        product::block_to_integers(one.data + p * one.plane, product::kBlock, from.depth,
                                   words.block(number) + p * words.plane, product::kBlock,
                                   scales.at(p) + number * product::kBlock);
    }
  });
}

void InIntegers::Inputs::take(const Planes& one, int64_t tile) const {
  for (int p = 0; p < kPlanes; ++p)
    product::row_to_integers(one.matrix(p).data, channels, words.planes.matrix(p).at(tile, 0), scales.at(p)[tile]);
}

void InIntegers::Inputs::multiply(int p, int64_t tiles, const Weights& weights, int64_t column, int64_t columns,
                                  product::Matrix result) const {
  product::multiply_integers(tiles, columns, weights.words.depth, words.planes.matrix(p), scales.at(p), false,
                             weights.words.matrix(p).from_column(column), weights.scales.at(p) + column, result, false);
}

void InIntegers::Columns::settle(int64_t tiles) const {
  const int64_t blocks = blocks_of(channels);
  at::parallel_for(0, kPlanes * blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int p = static_cast<int>(item / blocks);
      const int64_t column = item % blocks * product::kBlock;
      product::block_to_integers(planes.matrix(p).at(0, column), planes.row, tiles,
                                 words.planes.matrix(p).at(0, column), words.planes.row, scales.at(p) + column);
    }
  });
}

void InIntegers::Columns::multiply(int p, int64_t tiles, const Columns& right, int64_t column, int64_t columns,
                                   product::Matrix result, bool add) const {
  product::multiply_integers(channels, columns, product::words_of(tiles), words.planes.matrix(p), scales.at(p), true,
                             right.words.planes.matrix(p).from_column(column), right.scales.at(p) + column, result,
                             add);
}

}  // namespace earlybird::winograd
