"""Masks and mask distances in PyTorch, and the ceilings of the machine: a copy and a matrix product.

  reference  as the code of 2020 does it (docs/reference.md)
  tuned      a few operations on the device

Both are checked to give the same result before they are timed.
"""
import argparse

import torch
import torch.nn as nn

from peer_common import environment, summary, time_calls, use_device
from peer_models import INPUT_SIZE, bn_gammas, build
from peer_record import write


def mask_reference(model, ratio, device):
    """Per-layer loops over a host vector, a full sort, and a threshold sent to the device for every layer."""
    layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    total = sum(m.weight.shape[0] for m in layers)
    flat, at = torch.zeros(total), 0
    for m in layers:
        flat[at:at + m.weight.shape[0]] = m.weight.detach().abs().clone()
        at += m.weight.shape[0]
    threshold = flat.sort()[0][int(total * ratio)]
    mask, at = torch.zeros(total), 0
    for m in layers:
        bits = m.weight.detach().abs().clone().gt(threshold.to(device)).float().to(device)
        mask[at:at + bits.numel()] = bits
        at += bits.numel()
    return mask


def mask_tuned(gammas, ratio):
    """One concatenation and one selection, all on the device; the mask stays there."""
    flat = torch.cat(gammas).abs()
    return flat > flat.kthvalue(int(flat.numel() * ratio) + 1)[0]


def distances_reference(masks):
    """Every pair on its own, with a host read-back; masks live on the host."""
    count, size = masks.shape
    overlap = torch.zeros(count, count, dtype=torch.float64)
    for i in range(count):
        for j in range(count):
            overlap[i, j] = float(torch.sum(masks[i] == masks[j])) / size
    return overlap


def distances_tuned(masks):
    """Equal bits of +-1 rows are (N + dot) / 2: one product, exact in fp32 (and in TF32) below 2^24 channels."""
    signs = masks.float() * 2 - 1
    return (signs @ signs.T / masks.shape[1] + 1) / 2


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--reps", type=int, default=30)
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--quick", action="store_true", help="small sizes, for a smoke test")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json")
    return parser.parse_args(words)


def main():
    args = arguments()
    device = use_device(args.device, args.threads)
    cuda = device.type == "cuda"
    torch.manual_seed(1)
    timed = lambda fn, reps=args.reps: summary(time_calls(fn, device, reps, warmup=min(3, reps)))
    record = {"script": "peer_ops", **environment(device), "quick": args.quick, "mask_ms": {}, "distance_ms": {}}

    for name in INPUT_SIZE:
        model = build(name).to(device)
        gammas = [g.detach().normal_() for g in bn_gammas(model)]
        reference, tuned = mask_reference(model, args.ratio, device), mask_tuned(gammas, args.ratio)
        assert torch.equal(reference.bool(), tuned.cpu()), name
        record["mask_ms"][name] = {
            "channels": tuned.numel(), "reference": timed(lambda: mask_reference(model, args.ratio, device)),
            "tuned": timed(lambda: mask_tuned(gammas, args.ratio))}

    epochs = 16 if args.quick else 160
    for name, channels in (("vgg16", 4224), ("resnet50", 26560)):
        masks = (torch.rand(epochs, channels) > args.ratio).float()
        on_device = masks.to(device)
        torch.testing.assert_close(distances_reference(masks[:8]).float(), distances_tuned(on_device)[:8, :8].cpu())
        record["distance_ms"][name] = {
            "masks": epochs, "channels": channels,
            "reference": timed(lambda: distances_reference(masks), reps=1 if args.quick else 3),
            "tuned": timed(lambda: distances_tuned(on_device))}

    size = 2**24 if args.quick else 2**32 if cuda else 2**28  # bytes
    source = torch.rand(size // 4, device=device)
    target = torch.empty_like(source)
    copy = timed(lambda: target.copy_(source))
    record["copy"] = {"bytes": size, "ms": copy, "gb_per_s": round(2 * size / copy["median"] / 1e6, 1)}
    del source, target

    n = 512 if args.quick else 8192 if cuda else 2048
    a, b = (torch.randn(n, n, device=device).bfloat16() for _ in range(2))  # random: zeros run faster on some boards
    out = torch.empty_like(a)
    product = timed(lambda: torch.mm(a, b, out=out))
    record["matmul_bf16"] = {"n": n, "ms": product, "tflops": round(2 * n**3 / product["median"] / 1e9, 3)}
    write(record, args.json)


if __name__ == "__main__":
    main()
