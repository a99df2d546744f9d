#!/usr/bin/env bash
# torch-pruning 1.6.1: GroupTaylorImportance never looks at the gammas of BatchNorm.
# Expected: BatchNorm is among its target types, and a comment in its code says "BN"; the Taylor importance of a group with
# BatchNorm has a part |gamma g(gamma)| (Molchanov et al., CVPR 2019, whose gates stand behind BatchNorm).
# Seen: with BatchNorm as the only target type no importance comes out (None), because the branch asks for the pruning
# function of group normalisation; GroupMagnitudeImportance, whose branch asks for that of BatchNorm, gives one.
# Met when our criteria were compared with it: `--criterion taylor` is held against PyTorch instead, and what its Taylor
# importance gives for a convolution, the sum of |g w|, is our `snip` (scripts/golden/criteria.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 torch-pruning==1.6.1 numpy
"$folder/venv/bin/python" - <<'PY'
import importlib.metadata as metadata

import torch
import torch_pruning as tp
from torch import nn

print("torch", torch.__version__, "torch-pruning", metadata.version("torch-pruning"))
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))
images = torch.randn(8, 3, 8, 8)
model(images).square().sum().backward()
group = tp.DependencyGraph().build_dependency(model, images).get_pruning_group(
    model[0], tp.prune_conv_out_channels, idxs=[0, 1, 2, 3]
)
only = [nn.modules.batchnorm._BatchNorm]
magnitude = tp.importance.GroupMagnitudeImportance(1, normalizer=None, target_types=only)(group)
taylor = tp.importance.GroupTaylorImportance(normalizer=None, target_types=only)(group)
print("magnitude of gamma:", magnitude, "Taylor:", taylor)
assert torch.equal(magnitude, model[1].weight.data.abs())
assert taylor is None
print("as described: the Taylor importance leaves out BatchNorm")
PY
