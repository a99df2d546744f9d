#!/usr/bin/env bash
# torchao 0.18.0, PyTorch 2.13.0: NVFP4 with the recipe's tensor scale (the largest magnitude over 448 * 6) makes NaN of a tensor
# of zeros, and of no other tensor that is written here.
# Expected: zeros, as without a tensor scale. Gradients of a layer that nothing reached are such tensors.
# Seen: the scale is 0, and every value comes back as NaN; without a tensor scale zeros come back.
# Met when an NVFP4 quantiser was compared with torchao's: it needs a rule of its own for such tensors.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet torch==2.13.0 torchao==0.18.0 numpy
python/bin/python - 2>notes <<'PYTHON' | tee seen || { cat notes >&2; exit 1; }
import torch, torchao
from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

print(torch.__version__.split("+")[0], torchao.__version__.split("+")[0])
for name, x in {"zeros": torch.zeros(1, 32), "ones": torch.ones(1, 32)}.items():
    scale = per_tensor_amax_to_scale(x.abs().max())
    with_scale = NVFP4Tensor.to_nvfp4(x, per_tensor_scale=scale).dequantize(torch.float32)
    without = NVFP4Tensor.to_nvfp4(x).dequantize(torch.float32)
    print(f"{name}: with the tensor scale {scale:.3g}: {with_scale.unique().tolist()[:1]}, without: {without.unique().tolist()}")
PYTHON
diff seen - <<'SEEN'
2.13.0 0.18.0
zeros: with the tensor scale 0: [nan], without: [0.0]
ones: with the tensor scale 0.000372: [1.0], without: [1.03125]
SEEN
echo 'as described: zeros become NaN'
