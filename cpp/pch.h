// Precompiled: the LibTorch headers that most files of the core need, and nothing of ours.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn.h>
