#include "prune/reconstruction.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <map>

#include "core/philox.h"
#include "layer/layers.h"
#include "model/network.h"
#include "prune/score_pass.h"

namespace earlybird {
namespace {

constexpr int64_t kPlacesPerImage = 10;

/// Places in the output (channels, height, width) of `images` images. All ranks draw the same places and differ only in
/// the images that these refer to. `stream` and `first` make the places differ between layers and batches.
OutputPlaces draw_places(uint64_t seed, uint32_t stream, uint64_t first, int64_t images, at::IntArrayRef output,
                         const at::Device& device) {
  const int64_t count = images * kPlacesPerImage;
  const at::Tensor all = at::empty({4, count}, at::kLong);
  int64_t* at = all.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    const Random4 random = philox(seed, Purpose::kScore, stream, first + i);
    at[i] = i / kPlacesPerImage;
    for (int axis = 0; axis < 3; ++axis)
      at[(axis + 1) * count + i] = static_cast<int64_t>((uint64_t{random.word[axis]} * output[axis]) >> 32);
  }
  const at::Tensor there = all.to(device);
  return {there[0], there[1], there[2], there[3]};
}

/// A layer that reads channels of a cut, with the products of their contributions over the values of all batches.
struct Reader {
  const void* weight;
  at::Tensor gram = {};
  uint64_t values = 0;
};

}  // namespace

at::Tensor contributions(const at::Tensor& images, const at::Tensor& weight, int64_t stride, int64_t padding,
                         const OutputPlaces& places) {
  const at::Tensor padded = at::constant_pad_nd(images, {padding, padding, padding, padding});
  const at::Tensor filters = weight.index({places.o});  // (values, in, k, k)
  at::Tensor sum = at::zeros({places.n.size(0), images.size(1)}, images.options().dtype(at::kDouble));
  for (int64_t y = 0; y < weight.size(2); ++y)
    for (int64_t x = 0; x < weight.size(3); ++x) {
      const at::Tensor pixels =
          padded.permute({0, 2, 3, 1}).index({places.n, places.h * stride + y, places.w * stride + x});
      sum += pixels.to(at::kDouble) * filters.select(3, x).select(2, y).to(at::kDouble);
    }
  return sum;
}

std::vector<int64_t> removal_order(const at::Tensor& gram) {
  const at::Tensor host = gram.to(at::kCPU, at::kDouble).contiguous();
  const int64_t channels = host.size(0);
  const double* products = host.const_data_ptr<double>();
  std::vector<double> with_removed(channels, 0);  // product of each channel with the sum of the removed ones
  std::vector<bool> gone(channels, false);
  std::vector<int64_t> order;
  while (static_cast<int64_t>(order.size()) < channels) {
    int64_t next = -1;
    double least = std::numeric_limits<double>::infinity();
    for (int64_t c = 0; c < channels; ++c) {
      const double grows_by = 2 * with_removed[c] + products[c * channels + c];
      if (gone[c] || (next >= 0 && !(grows_by < least))) continue;
      next = c;
      least = grows_by;
    }
    gone[next] = true;
    order.push_back(next);
    for (int64_t c = 0; c < channels; ++c) with_removed[c] += products[next * channels + c];
  }
  return order;
}

std::vector<at::Tensor> thinet_scores(Network& network, const ModelDescription& description, const ScoreImages& images,
                                      const CancelToken& cancel) {
  std::vector<Reader> readers;
  std::map<std::string, at::Tensor> weights, buffers;
  for (const auto& entry : network.named_parameters()) weights[entry.key()] = entry.value();
  for (const auto& entry : network.named_buffers()) buffers[entry.key()] = entry.value();
  const auto key_of = [&](const std::string& layer) -> const void* {
    return weights.at(layer + ".weight").unsafeGetTensorImpl();
  };
  const auto reader_of = [&](const void* weight) {
    return std::find_if(readers.begin(), readers.end(), [&](const Reader& one) { return one.weight == weight; });
  };
  for (const ChannelCut& cut : description.cuts)
    for (const std::string& consumer : cut.consumers)
      if (reader_of(key_of(consumer)) == readers.end()) readers.push_back({key_of(consumer)});

  const at::NoGradGuard no_grad;
  network.eval();
  {
    const InputObserver observer([&](const LayerInput& layer) {
      const auto reader = reader_of(layer.weight.unsafeGetTensorImpl());
      // A grouped convolution does not add up all its input channels.
      if (reader == readers.end() || layer.weight.size(1) != layer.input.size(1)) return;
      const bool is_linear = layer.weight.dim() == 2;
      const at::Tensor input = is_linear ? layer.input.unsqueeze(-1).unsqueeze(-1) : layer.input;
      const at::Tensor weight = is_linear ? layer.weight.view({-1, input.size(1), 1, 1}) : layer.weight;
      const auto extent = [&](int64_t size) { return (size + 2 * layer.padding - weight.size(2)) / layer.stride + 1; };
      const int64_t output[] = {weight.size(0), extent(input.size(2)), extent(input.size(3))};
      const OutputPlaces places = draw_places(images.seed, static_cast<uint32_t>(reader - readers.begin() + 1),
                                              reader->values, input.size(0), output, input.device());
      reader->values += places.n.size(0);
      const at::Tensor x = contributions(input, weight, layer.stride, layer.padding, places);
      const at::Tensor products = x.t().mm(x);
      reader->gram = reader->gram.defined() ? reader->gram + products : products;
    });
    for_each_batch(network, images, cancel, [&](const Batch& batch, double) { return network.forward(batch.images); });
  }
  if (network.ranks) {
    std::vector<at::Tensor> grams;
    for (const Reader& reader : readers)
      if (reader.gram.defined()) grams.push_back(reader.gram);
    sum_over(*network.ranks, grams, "the sum of products for scores");
    size_t next = 0;
    for (Reader& reader : readers)
      if (reader.gram.defined()) reader.gram = grams[next++];
  }

  std::vector<at::Tensor> out;
  for (const NormLayer& norm : description.batch_norms) {
    // Channels of a residual stream are read by several layers.
    at::Tensor gram = at::zeros({norm.channels, norm.channels}, at::kDouble);
    bool is_read = false;
    for (const ChannelCut& cut : description.cuts) {
      if (std::find(cut.norms.begin(), cut.norms.end(), norm.key) == cut.norms.end()) continue;
      for (const std::string& consumer : cut.consumers) {
        const at::Tensor& own = reader_of(key_of(consumer))->gram;
        if (!own.defined()) continue;
        is_read = true;
        const at::Tensor selected = own.size(0) == norm.channels
                                        ? at::arange(norm.channels)
                                        : buffers.at(cut.select + ".indexes").cpu().nonzero().flatten();
        gram.index_put_({selected.unsqueeze(1), selected}, own.cpu(), /*accumulate=*/true);
      }
    }
    at::Tensor score = at::ones({norm.channels}, at::kDouble);
    if (is_read) {
      const std::vector<int64_t> order = removal_order(gram);
      for (int64_t i = 0; i < norm.channels; ++i)
        score[order[i]] = static_cast<double>(i + 1) / static_cast<double>(norm.channels);
    }
    out.push_back(score);
  }
  return out;
}

}  // namespace earlybird
