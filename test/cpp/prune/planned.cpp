// The layers of a ticket by its plan alone, against the ticket itself.
#include "prune/planned.h"

#include <ATen/core/grad_mode.h>

#include "check.h"
#include "model/network.h"
#include "prune/mask.h"
#include "prune/surgery.h"
#include "prune/widths.h"

namespace {

using namespace earlybird;

std::shared_ptr<Network> network_with_empty_layers(const std::string& arch, int64_t depth) {
  ModelSpec spec;
  spec.arch = arch;
  spec.depth = depth;
  spec.image_size = 32;
  auto network = create_model(spec);
  at::NoGradGuard no_grad;
  int layer = 0;
  for (const NormLayer& norm : network->describe().batch_norms)  // some layers empty at high ratios
    network->named_parameters()[norm.key + ".weight"].uniform_(0.1, 1).mul_(layer++ % 5 == 3 ? 1e-3 : 1);
  return network;
}

/// Compares all but keys, which a ticket counts anew where a layer is gone.
bool same(const std::vector<LayerInfo>& a, const std::vector<LayerInfo>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const LayerInfo& one, const LayerInfo& other) {
    return one.kind == other.kind && one.in == other.in && one.out == other.out && one.kernel == other.kernel &&
           one.groups == other.groups && one.bias == other.bias && one.height == other.height &&
           one.width == other.width;
  });
}

}  // namespace

EB_TEST("prune: a plan says the layers of the ticket, of every network, surgery and ratio") {
  for (const auto& [arch, depth] : std::vector<std::pair<std::string, int64_t>>{
           {"vgg", 11}, {"resnet", 20}, {"resnet18", 18}, {"resnet34", 34}, {"resnet50_official", 50}}) {
    const auto dense = network_with_empty_layers(arch, depth);
    for (const Mask& mask : masks(*dense, {0.3, 0.9}))
      for (const Surgery surgery : {Surgery::kReference, Surgery::kExact})
        for (const int64_t multiple : {1, 8}) {
          PruneOptions options;
          options.surgery = surgery;
          options.round_to = multiple;
          const auto planned = planned_layers(dense->describe(), plan_of(*dense, mask.bits, options));
          const auto ticket = prune(*dense, mask.bits, options, *dense).network;
          check(same(planned, ticket->describe().layers), arch + " at " + std::to_string(mask.ratio), mask.ratio);
        }
  }
  const auto vgg = network_with_empty_layers("vgg", 11);
  PruneOptions remove;
  remove.empty_layers = EmptyLayers::kRemove;
  const Mask mask = masks(*vgg, {0.7}).front();
  const auto ticket = prune(*vgg, mask.bits, remove, *vgg).network;
  check(ticket->describe().layers.size() < vgg->describe().layers.size(), "a layer is gone", 0);
  check(same(planned_layers(vgg->describe(), plan_of(*vgg, mask.bits, remove)), ticket->describe().layers),
        "with removed layers", 0);
}

EB_TEST("prune: the time of a network is that of its convolutions") {
  const std::vector<LayerInfo> layers = {
      {.kind = LayerInfo::Kind::kConv, .key = "a", .in = 16, .out = 24, .kernel = 3, .height = 16, .width = 16},
      {.kind = LayerInfo::Kind::kConv, .key = "b", .in = 24, .out = 13, .kernel = 1, .height = 16, .width = 16},
      {.kind = LayerInfo::Kind::kLinear, .key = "c", .in = 13, .out = 10}};
  WidthCosts costs;
  for (int i = 0; i < ShapeClass::kCount / 2; ++i) costs[ShapeClass(i).name()] = {4, 2, 1, 1};
  // 16 and 24 are both multiples of 8, 13 of nothing.
  const double expected = 2.0 * 16 * 24 * 9 * 256 + 4.0 * 24 * 13 * 256;
  check(time_of(layers, costs) == expected, "multiply-adds by their costs", time_of(layers, costs));
  check(!(time_of(layers, {}) >= 0), "nothing measured", time_of(layers, {}));
}
