"""The training step of an Early-Bird search in PyTorch.

  reference  as the code of 2020 does it (docs/reference.md): fp32, NCHW, a host read-back every step, Python loops
  tuned      what an expert writes today: data on the device, channels_last, bf16, fused SGD, the step as a CUDA graph
  compiled   tuned, with the forward and backward passes through torch.compile

One run measures one mode and writes one JSON record; README.md says how to compare records.
"""
import argparse
import json
import os
import time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader

from peer_common import Clock, Energy, capture_step, environment, peak_memory_mib, summary, synchronise, use_device
from peer_data import STATISTICS, Image, Pictures, Resident, Streamed, endless, list_folder, load_arrays, resized_crop
from peer_models import INPUT_SIZE, Select, bn_gammas, build, macs_per_image, parameters
from peer_record import write

try:
    from torchvision import transforms
except Exception:  # absent, or built for another torch
    transforms = None

RATES = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}


# ---- reference mode --------------------------------------------------------------------------------------------

class FallbackTransform:
    """Augmentation of one image without torchvision: pad and crop at 32 px, random resized crop at 224 px, flip."""

    def __init__(self, size):
        self.size = size
        self.mean, self.std = (torch.tensor(v).view(3, 1, 1) for v in STATISTICS[size])

    def __call__(self, item):
        if self.size == 224:
            x = resized_crop(item).permute(2, 0, 1)
        else:
            dy, dx = torch.randint(0, 9, (2,)).tolist()
            x = F.pad(item.permute(2, 0, 1), (4, 4, 4, 4))[:, dy:dy + 32, dx:dx + 32]
        return self.scaled(x.flip(2) if torch.rand(()) < 0.5 else x)

    def scaled(self, x):
        return (x.float() / 255 - self.mean) / self.std

    def whole(self, item):
        """For tests: all of the image, unflipped."""
        return self.scaled(item.permute(2, 0, 1))


def as_pil(item):
    return Image.fromarray(item.numpy()) if isinstance(item, torch.Tensor) else item


def reference_transform(size):
    if transforms is None:
        return FallbackTransform(size), "torch"
    crop = [transforms.Pad(4), transforms.RandomCrop(32)] if size == 32 else [transforms.RandomResizedCrop(224)]
    tail = [transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(*STATISTICS[size])]
    return transforms.Compose([as_pil] + crop + tail), "torchvision+PIL"


def reference_batches(args, size, device):
    """Endless float NCHW batches in host memory, and how they are made."""
    pinned = device.type == "cuda"
    if args.dataset[0] == "synthetic":
        x = torch.randn(4, args.batch, 3, size, size)
        y = torch.randint(0, args.classes or (10 if size == 32 else 1000), (4, args.batch))
        if pinned:
            x, y = x.pin_memory(), y.pin_memory()
        return endless(list(zip(x, y))), "four fixed host batches"
    items, labels = load_arrays(args, size) or list_folder(args.dataset[1])
    transform, how = reference_transform(size)
    workers = args.workers if args.workers is not None else (1 if size == 32 else 16)
    loader = DataLoader(Pictures(items, labels, transform), args.batch, shuffle=True, num_workers=workers,
                        pin_memory=pinned, drop_last=True)
    return endless(loader), f"DataLoader, {workers} workers, {how}"


def reference_training(model, device, l1, rates=RATES):
    """The step on a batch from the host, its optimiser, and its sums of loss and right answers."""
    optimizer = torch.optim.SGD(model.parameters(), **rates)
    history = {"loss": 0.0, "right": 0.0}

    def step(x, y):
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        out = model(x)
        loss = F.cross_entropy(out, y)
        history["loss"] += loss.item()
        hits = out.detach().topk(5, 1)[1].eq(y[:, None])
        history["right"] += hits[:, 0].float().sum().item()
        loss.backward()
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.weight.grad.add_(l1 * torch.sign(m.weight.detach()))
        optimizer.step()

    return step, optimizer, lambda: (history["loss"], history["right"])


def reference_step(args, model, device):
    batches, data = reference_batches(args, INPUT_SIZE[args.model], device)
    step, _, totals = reference_training(model, device, args.l1)
    notes = {"dtype": "fp32", "layout": "NCHW", "graph": False, "data": data}
    return lambda: step(*next(batches)), totals, notes


# ---- tuned and compiled modes ----------------------------------------------------------------------------------

def tuned_source(args, size, device):
    arrays = load_arrays(args, size)
    if arrays:
        return Resident(*arrays, args.batch, 4 if size == 32 else 0, device), "uint8 on the device"
    workers = args.workers if args.workers is not None else os.cpu_count()
    files, labels = list_folder(args.dataset[1])
    return Streamed(files, labels, args.batch, workers, device), f"{workers} Pillow workers, uint8 to the device"


def tuned_training(args, model, source, size, device, rates=RATES):
    """The step on the batch that `source` holds, its optimiser, its sums of loss and right answers, and its forward pass."""
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    for m in model.modules():
        if isinstance(m, Select):
            m.freeze()
    model.to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in STATISTICS[size])
    scale, offset = 1 / (255 * std), -mean / std
    weights = [p for name, p in model.named_parameters() if not name.endswith("indexes")]
    gammas = bn_gammas(model)
    # The rate is a tensor on the device, so that a schedule can change it between graph replays.
    optimizer = torch.optim.SGD(weights, **{**rates, "lr": torch.tensor(rates["lr"], device=device)}, fused=True)
    loss_sum, hits = torch.zeros((), device=device), torch.zeros((), dtype=torch.long, device=device)

    def forward(x, y):
        x = x.float() * scale + offset
        # The cast cache would keep addresses of another pass's weights inside a CUDA graph.
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=args.dtype == "bf16", cache_enabled=False):
            out = model(x)
        out = out.float()
        return F.cross_entropy(out, y), (out.argmax(1) == y).sum()

    if args.mode == "compiled":
        forward = torch.compile(forward, mode=args.compile_mode, dynamic=False)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss, right = forward(*source.batch())
        loss.backward()
        with torch.no_grad():
            torch._foreach_add_([g.grad for g in gammas], torch._foreach_sign(gammas), alpha=args.l1)
            loss_sum.add_(loss)
            hits.add_(right)
        optimizer.step()

    return step, optimizer, lambda: (loss_sum.item(), hits.item()), forward


def tuned_step(args, model, device):
    size, cuda = INPUT_SIZE[args.model], device.type == "cuda"
    source, data = tuned_source(args, size, device)
    step, optimizer, totals, _ = tuned_training(args, model, source, size, device)

    run, graph = step, False
    inductor_graphs = args.mode == "compiled" and args.compile_mode in ("reduce-overhead", "max-autotune")
    if inductor_graphs:
        graph = "by torch.compile" if cuda else False
    elif cuda and not args.no_graph:
        try:
            run, graph = capture_step(step, source.feed, optimizer), "whole step"
        except RuntimeError as error:  # measure the ungraphed step rather than nothing, and say so
            graph = f"capture failed: {str(error).splitlines()[0]}"
            torch.cuda.synchronize()

    def fed_step():
        source.feed()
        if inductor_graphs:
            torch.compiler.cudagraph_mark_step_begin()
        run()

    notes = {"dtype": args.dtype, "layout": "channels_last", "graph": graph, "data": data}
    if args.mode == "compiled":
        notes["compile_mode"] = args.compile_mode
    return fed_step, totals, notes


# ---- the run ---------------------------------------------------------------------------------------------------

def read_cfg(path):
    """The widths of a pruned network."""
    if path is None:
        return None
    if path.endswith(".json"):
        return json.loads(Path(path).read_text())
    return torch.load(path, map_location="cpu", weights_only=True)["cfg"]


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=INPUT_SIZE, default="vgg16")
    parser.add_argument("--mode", choices=["reference", "tuned", "compiled"], default="reference")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=200, help="timed steps")
    parser.add_argument("--warmup", type=int, default=20, help="untimed steps (besides compilation and capture)")
    parser.add_argument("--dataset", nargs="+", default=["synthetic"], metavar="KIND [PATH]",
                        help="synthetic | cifar-bin PATH | imagefolder PATH")
    parser.add_argument("--json", help="where to write the record")
    parser.add_argument("--cfg", help="pruned widths: a .json list or pruned.pth.tar")
    parser.add_argument("--classes", type=int, help="default 10 at 32 px, 1000 at 224 px")
    parser.add_argument("--l1", type=float, default=1e-4, help="strength of the L1 term on the batch-norm scales")
    parser.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16", help="autocast type, not for reference")
    parser.add_argument("--workers", type=int,
                        help="loader processes; default: 1 at 32 px and 16 at 224 px, every core outside reference")
    parser.add_argument("--threads", type=int, help="CPU threads for torch")
    parser.add_argument("--no-graph", action="store_true", help="do not capture the step as a CUDA graph")
    parser.add_argument("--compile-mode", default="max-autotune-no-cudagraphs",
                        choices=["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"],
                        help="with the default and 'default', the whole step is captured as one graph; with the other "
                             "two, torch.compile makes its own graphs and the optimiser runs outside them")
    args = parser.parse_args(words)
    needs_path = args.dataset[0] in ("cifar-bin", "imagefolder")
    if args.dataset[0] not in ("synthetic", "cifar-bin", "imagefolder") or len(args.dataset) != 1 + needs_path:
        parser.error("--dataset takes: synthetic | cifar-bin PATH | imagefolder PATH")
    if args.dataset[0] == "cifar-bin" and INPUT_SIZE[args.model] != 32:
        parser.error("cifar-bin holds 32x32 images")
    return args


def main():
    args = arguments()
    device = use_device(args.device, args.threads)
    torch.manual_seed(1)
    model = build(args.model, read_cfg(args.cfg), args.classes)
    macs, count = macs_per_image(model, INPUT_SIZE[args.model]), parameters(model)
    model.to(device).train()

    begin = time.perf_counter()
    step, totals, notes = (reference_step if args.mode == "reference" else tuned_step)(args, model, device)
    for _ in range(args.warmup):
        step()
    synchronise(device)
    setup, (loss_before, right_before) = time.perf_counter() - begin, totals()

    clock, energy = Clock(device), Energy(device)
    with energy:
        clock.tick()
        for _ in range(args.steps):
            step()
            clock.tick()
    step_ms, images = summary(clock.milliseconds()), args.batch * args.steps
    per_second = 1000 * args.batch / step_ms["median"]
    loss, right = totals()
    write({
        "script": "peer_train", "model": args.model, "mode": args.mode, **environment(device), **notes,
        "dataset": args.dataset[0], "batch": args.batch, "steps": args.steps, "warmup": args.warmup,
        "pruned": bool(args.cfg), "parameters": count, "macs_per_image": macs,
        "step_ms": step_ms,
        "images_per_s": round(per_second, 4),
        "images_per_s_wall": round(images / energy.seconds, 4),
        "model_tflops": round(2 * macs * 3 * per_second / 1e12, 4),
        "setup_s": round(setup, 2), "window_s": round(energy.seconds, 3),
        "peak_mib": {k: round(v, 1) for k, v in peak_memory_mib(device).items()},
        "joules": energy.joules, "joules_per_image": energy.joules and energy.joules / images,
        "energy_source": energy.source,
        "mean_loss": round((loss - loss_before) / args.steps, 4),
        "top1_percent": round(100 * (right - right_before) / images, 2),
    }, args.json)


if __name__ == "__main__":
    main()
