#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/host_tensor.h"
#include "model/description.h"

// Model interface without ATen types, for binding/. network.h defines the network.
namespace earlybird {

class Network;

/// Builds a network with new weights: PyTorch's random numbers for `spec.seed`, drawn in the reference's order. Throws
/// ERR_MODEL.
std::shared_ptr<Network> create_model(const ModelSpec& spec);

ModelDescription describe(const Network& network);

/// A network of the same structure, on the CPU in full precision.
ModelSpec spec_of(const ModelDescription& description);

/// State dict, contiguous NCHW on the host, in PyTorch's order.
HostState state_dict(const Network& network);

/// Copies `state` into the network. Every key must be there with its shape, and no other; only entries that
/// torchvision's networks lack may be absent (model.cpp). Changes nothing when it throws ERR_CHECKPOINT.
void load_state_dict(Network& network, const HostState& state);

/// Gives every rank of the network the state of rank 0; does nothing without ranks.
void share_state(Network& network);

/// Rounds by other formats from the next pass on: trainers and evaluators of the network follow. The weights stay as
/// they are until the next step. Throws ERR_USAGE for a network in full precision, whose checkpoints have other keys.
void set_formats(Network& network, const NumberFormats& formats);

/// Draws all weights again and resets BatchNorm statistics, in place. Selected channels stay.
void reinitialise(Network& network, uint64_t seed);

/// "cpu" or "cuda:N".
std::string device_of(const Network& network);

/// Returns the implementations of the network's convolutions on the CPU by class (layer/conv/choice.h). Takes those
/// that are `given`, and measures classes that are still open. Empty on other devices.
std::map<std::string, std::string> choose_kernels(Network& network, bool bf16,
                                                  const std::map<std::string, std::string>& given = {});

/// Logits of float32 images (B, C, H, W). `train` uses and updates batch statistics.
HostTensor forward(Network& network, const HostTensor& images, bool train, bool bf16);

}  // namespace earlybird
