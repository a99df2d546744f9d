#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/cancel.h"
#include "model/description.h"
#include "prune/scores.h"

namespace earlybird {

// ThiNet: Luo, Wu and Lin, "ThiNet: A Filter Level Pruning Method for Deep Neural Network Compression", ICCV 2017. The
// channels that go first are those without which the inputs of the next layer add up to nearly the same.

/// Positions of values in a convolution's output: image `n`, channel `o`, row `h` and column `w`, each int64 (values).
struct OutputPlaces {
  at::Tensor n, o, h, w;
};

/// Returns float64 (values, channels in): the part of each value of a convolution's output that each input channel adds
/// (section 3.2, x-hat of equation 2). `weight` (out, in, k, k), `images` (batch, in, height, width).
at::Tensor contributions(const at::Tensor& images, const at::Tensor& weight, int64_t stride, int64_t padding,
                         const OutputPlaces& places);

/// Returns the channels in the order in which they go: each time the one with which the removed ones add up to the
/// smallest sum of squares (algorithm 1). `gram` (channels, channels) holds the products of contributions, summed over
/// values.
std::vector<int64_t> removal_order(const at::Tensor& gram);

/// Returns for each BN layer the place of each channel in that order, divided by the number of channels. Takes ten
/// places an image from every layer that reads the channels, as in section 4. Works in one shot: layers are not
/// retrained in between, and no weights are fitted to make up for removed channels.
std::vector<at::Tensor> thinet_scores(Network& network, const ModelDescription& description, const ScoreImages& images,
                                      const CancelToken& cancel);

}  // namespace earlybird
