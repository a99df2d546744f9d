"""Simulated block floating point in PyTorch: speed of the quantiser, and what it adds to a VGG-16 training step.

  eager     one quantiser call per tensor, each made of many kernels: as the reference's low-precision runs do it
  compiled  the same arithmetic through torch.compile, the whole step as one CUDA graph: as an expert does it

Each is timed with and without quantisation.
"""
import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F

from peer_common import capture_step, environment, peak_memory_mib, summary, time_calls, use_device
from peer_models import bn_gammas, build
from peer_record import write

EXPONENT_BITS = 0x7F800000


def block_quantize(x, bits, nearest=False):
    """Block floating point with one exponent per index of dimension 0 (per element for 1-D tensors), as qtorch rounds.

    With E = 2^floor(log2 max|x|) the step is E * 2^(2-bits) and values end at +-(2^(bits-1) - 1) steps. Adding and
    taking away 6E first reproduces the one fp32 rounding that the original makes on the way.
    """
    top = x.abs() if x.dim() == 1 else x.abs().amax(dim=tuple(range(1, x.dim())), keepdim=True)
    power = (top.view(torch.int32) & EXPONENT_BITS).view(torch.float32)
    step, base, limit = power * 2.0 ** (2 - bits), 6 * power, 2 ** (bits - 1) - 1
    if nearest:
        noise = 0.5  # ties go up
    else:
        noise = torch.randint(0, 2 ** (23 - bits), x.shape, dtype=torch.int32, device=x.device) * 2.0 ** (bits - 23)
    scaled = ((x + base) - base) / step
    rounded = torch.floor(scaled + noise).clamp(-limit, limit) * step
    return torch.where(power > 0, rounded, x)  # an all-zero block has no step


class QuantizeBoth(torch.autograd.Function):
    """Quantises an activation on the way forward and its gradient (the error) on the way back."""

    @staticmethod
    def forward(ctx, x, bits):
        ctx.bits = bits
        return block_quantize(x, bits)

    @staticmethod
    def backward(ctx, grad):
        return block_quantize(grad, ctx.bits), None


class Quantizer(nn.Module):
    def __init__(self, bits):
        super().__init__()
        self.bits = bits

    def forward(self, x):
        return QuantizeBoth.apply(x, self.bits)


def lower(model, bits):
    """Wraps every convolution as Sequential(conv, quantiser); the classifier stays in full precision."""
    quantizer = Quantizer(bits)
    for i, layer in enumerate(model.feature):
        if isinstance(layer, nn.Conv2d):
            model.feature[i] = nn.Sequential(layer, quantizer)
    return model


def quantize_all_(tensors, bits):
    for t in tensors:
        t.copy_(block_quantize(t, bits))


def training_step(device, batch, bits, compiled):
    """A VGG-16 step on one fixed batch; bits=0 leaves quantisation out. Order: gradients, SGD, weights, momentum."""
    torch.manual_seed(1)
    model = build("vgg16")
    model = (lower(model, bits) if bits else model).to(device).train()
    x, y = torch.randn(batch, 3, 32, 32, device=device), torch.randint(0, 10, (batch,), device=device)
    forward, quantize = lambda x, y: F.cross_entropy(model(x), y), quantize_all_
    if compiled:
        torch.backends.cudnn.benchmark = True
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        forward, quantize = torch.compile(forward, dynamic=False), torch.compile(quantize_all_, dynamic=False)
    gammas, weights = bn_gammas(model), list(model.parameters())
    values = [p.detach() for p in weights]
    optimizer = torch.optim.SGD(weights, lr=0.1, momentum=0.9, weight_decay=1e-4, fused=compiled)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = forward(x, y)
        loss.backward()
        with torch.no_grad():
            torch._foreach_add_([g.grad for g in gammas], torch._foreach_sign(gammas), alpha=1e-4)
            if bits:
                quantize([p.grad for p in weights], bits)
            optimizer.step()
            if bits:
                quantize(values, bits)
                quantize([optimizer.state[p]["momentum_buffer"] for p in weights], bits)

    if compiled and device.type == "cuda":
        return capture_step(step, lambda: None, optimizer)
    return step


def check():
    """Values every implementation of the format must give."""
    block = torch.tensor([[1.0, 0.3, -0.3, 0.0], [1.99, 1.99, -1.99, 0.0], [0.0, 0.0, 0.0, 0.0]])
    want = torch.tensor([[1.0, 0.296875, -0.296875, 0.0], [1.984375, 1.984375, -1.984375, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert torch.equal(block_quantize(block, 8, nearest=True), want)
    mean = block_quantize(torch.tensor([[1.0] + [0.3] * 100_000]), 8)[0, 1:].mean()
    assert abs(mean - 0.3) < 3e-4, "stochastic rounding must be unbiased"


def time_quantiser(args, device):
    b, rows = args.batch, {}
    shapes = {"early activation": (b, 64, 32, 32), "late activation": (b, 512, 2, 2), "conv weight": (512, 512, 3, 3),
              "classifier weight": (10, 512), "batch-norm scale": (512,)}
    for name, shape in shapes.items():
        x, row = torch.randn(shape, device=device), {"shape": shape}
        for variant in args.variants:
            fn = torch.compile(block_quantize, dynamic=False) if variant == "compiled" else block_quantize
            ms = summary(time_calls(lambda: fn(x, args.bits), device, args.reps))
            # Useful traffic: each value read once and written once, 8 bytes. Real traffic is higher.
            row[variant] = {"ms": ms, "gb_per_s": round(8 * x.numel() / ms["median"] / 1e6, 3)}
        rows[name] = row
    return rows


def time_step(args, device):
    times = {}
    for variant in args.variants:
        steps = (training_step(device, args.batch, bits, variant == "compiled") for bits in (0, args.bits))
        fp32, low = (summary(time_calls(step, device, args.reps)) for step in steps)
        times[variant] = {"fp32": fp32, "low": low, "overhead": round(low["median"] / fp32["median"], 3)}
    return times


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--reps", type=int, default=50)
    parser.add_argument("--variants", nargs="+", choices=["eager", "compiled"], default=["eager", "compiled"])
    parser.add_argument("--parts", nargs="+", choices=["quantize", "step"], default=["quantize", "step"],
                        help="the quantiser by itself, and the VGG-16 step")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json")
    return parser.parse_args(words)


def main():
    args = arguments()
    device = use_device(args.device, args.threads)
    check()
    # One compiled kernel per shape; the attribute's older name is cache_size_limit.
    limit = "recompile_limit" if hasattr(torch._dynamo.config, "recompile_limit") else "cache_size_limit"
    setattr(torch._dynamo.config, limit, 64)

    torch.manual_seed(1)
    record = {"script": "peer_quant", **environment(device), "batch": args.batch, "bits": args.bits}
    if "quantize" in args.parts:
        record["quantize"] = time_quantiser(args, device)
    if "step" in args.parts:
        record["vgg16_step_ms"] = time_step(args, device)
    record["peak_mib"] = {k: round(v, 1) for k, v in peak_memory_mib(device).items()}
    write(record, args.json)


if __name__ == "__main__":
    main()
