#!/usr/bin/env bash
# torch-pruning 1.6.1: FPGMImportance measures distances between |w|^p, not between filters.
# Expected: the importance of a filter is the sum of its Euclidean distances to the other filters (He et al., "Filter Pruning
# via Geometric Median", CVPR 2019, equation 6).
# Seen: two filters that differ in their signs alone are at distance 0.
# Met when our criteria were compared with it: `--criterion fpgm` is compared for weights that are not negative and p = 1
# (scripts/golden/criteria.py).
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
model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3))
with torch.no_grad():
    model[0].weight[1] = -model[0].weight[0]
group = tp.DependencyGraph().build_dependency(model, torch.randn(1, 1, 8, 8)).get_pruning_group(
    model[0], tp.prune_conv_out_channels, idxs=[0, 1]
)
for p in (1, 2):
    seen = tp.importance.FPGMImportance(p, group_reduction="first", normalizer=None)(group)
    print(f"p = {p}:", seen, "expected:", 2 * model[0].weight[0].norm().item())
    assert seen.abs().max() < 1e-6
print("as described: filters of opposite signs are at distance 0")
PY
