"""Times torchao's emulated casts of float32 tensors to an MX format or NVFP4 and back, on the CPU.

    python scripts/bench/torchao_cast.py --format mxfp4 --threads 2 --reps 5 NAME=ROWSxCOLUMNS ...

Blocks lie along the columns. Prints one JSON object: versions, threads, and by tensor milliseconds of each call, eager
and through torch.compile where that can compile it (PyTorch 2.13 has no float8_e8m0fnu in its code for CPUs, so that MX
casts stay eager). torchao.mjs beside it runs this in turn with ours.
"""
import argparse
import json
import sys
import time

import torch
import torchao
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.mx_tensor import MXTensor
from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

MX = {"mxfp8-e4m3": torch.float8_e4m3fn, "mxfp4": torch.float4_e2m1fn_x2}


def mx_cast(element):
    def there_and_back(x):
        return MXTensor.to_mx(x, element, 32, ScaleCalculationMode.FLOOR).dequantize(torch.float32)

    return there_and_back


def nvfp4_cast(x):
    scale = per_tensor_amax_to_scale(x.abs().max())
    return NVFP4Tensor.to_nvfp4(x, per_tensor_scale=scale).dequantize(torch.float32)


def times(call, x, reps):
    call(x)
    out = []
    for _ in range(reps):
        start = time.perf_counter()
        call(x)
        out.append((time.perf_counter() - start) * 1e3)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", choices=[*MX, "nvfp4"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("tensors", nargs="+", metavar="NAME=ROWSxCOLUMNS")
    wish = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(wish.threads)
    cast = nvfp4_cast if wish.format == "nvfp4" else mx_cast(MX[wish.format])
    compiled = torch.compile(cast, dynamic=False)
    found = {}
    with torch.no_grad():
        for tensor in wish.tensors:
            name, shape = tensor.rsplit("=", 1)
            x = torch.randn(*map(int, shape.split("x")))
            found[name] = {"eager": times(cast, x, wish.reps)}
            try:
                torch.testing.assert_close(compiled(x), cast(x), rtol=0, atol=0)
                found[name]["compiled"] = times(compiled, x, wish.reps)
            except torch._dynamo.exc.TorchDynamoException as error:
                sys.stderr.write(f"{wish.format}, {name}: not compiled: {error}\n")
    versions = {"torch": torch.__version__, "torchao": torchao.__version__}
    print(json.dumps({"versions": versions, "threads": torch.get_num_threads(), "ms": found}))


main()
