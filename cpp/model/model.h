#pragma once

#include <memory>
#include <vector>

#include "core/host_tensor.h"
#include "model/description.h"

// A model for those who do not speak ATen (the binding): the network is opaque here, see network.h.
namespace earlybird {

class Network;

/// Builds with fresh weights: PyTorch's own random numbers for `spec.seed`, drawn in the release's order. Throws
/// ERR_MODEL.
std::shared_ptr<Network> create_model(const ModelSpec& spec);

ModelDescription describe(const Network& network);

/// State dict, contiguous NCHW on the host, in PyTorch's order.
HostState state_dict(const Network& network);

/// Copies `state` in. Strict: every key with its shape and none left over; only what PyTorch's own networks lack may be
/// absent (model.cpp). Nothing is changed when it throws ERR_CHECKPOINT.
void load_state_dict(Network& network, const HostState& state);

/// Draws everything again and resets BatchNorm statistics, in place. Selected channels stay.
void reinitialise(Network& network, uint64_t seed);

/// "cpu" or "cuda:N".
std::string device_of(const Network& network);

/// Logits of float32 images (B, C, H, W). `train` uses and updates batch statistics.
HostTensor forward(Network& network, const HostTensor& images, bool train, bool bf16);

}  // namespace earlybird
