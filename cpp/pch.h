// The LibTorch headers of the core, compiled once. Sources still include what they use.
#pragma once
#include <ATen/ATen.h>
#include <torch/library.h>
#include <torch/nn.h>
