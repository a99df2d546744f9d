"""A whole job in PyTorch: train the dense network to the end, prune it by a global threshold on |gamma|, train the small one.

The modes are those of peer_train.py. The images are files in CIFAR's binary layout; every epoch trains on all of them and ends with
a test. One run does one job and writes one JSON record; README.md says what it holds.
"""
import argparse
import math
import sys
import time

import torch
from torch.utils.data import DataLoader

from peer_common import capture_step, environment, peak_memory_mib, synchronise, use_device
from peer_data import STATISTICS, Pictures, Resident, read_cifar_bin
from peer_models import INPUT_SIZE, build, macs_per_image, parameters
from peer_prune import masks_of, prune
from peer_record import write
from peer_train import RATES, FallbackTransform, as_pil, reference_training, reference_transform, transforms, tuned_training

SIZE = 32
WINDOW = 4  # masks before the last one that a search compares it with


def test_transform():
    """What the reference tests with: no crop and no flip."""
    if transforms is not None:
        return transforms.Compose([as_pil, transforms.ToTensor(), transforms.Normalize(*STATISTICS[SIZE])])
    return FallbackTransform(SIZE).whole


class ReferenceStage:
    """Training of one network with the habits of the reference."""

    def __init__(self, args, model, sets, device, rates):
        self.model, self.device = model, device
        self.step, self.optimizer, self.totals = reference_training(model, device, args.l1, rates)
        loader = lambda items, transform, batch, shuffle: DataLoader(
            Pictures(*items, transform), batch, shuffle=shuffle, num_workers=1, pin_memory=device.type == "cuda")
        self.batches = loader(sets["train"], reference_transform(SIZE)[0], args.batch, True)
        self.tests = loader(sets["test"], test_transform(), args.test_batch, False)

    def set_rate(self, rate):
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def epoch(self):
        for x, y in self.batches:
            self.step(x, y)

    def right(self):
        count = 0
        with torch.no_grad():
            for x, y in self.tests:
                x, y = x.to(self.device), y.to(self.device)
                count += (self.model(x).argmax(1) == y).sum().item()
        return count


class TunedStage:
    """Training of one network as an expert writes it today."""

    def __init__(self, args, model, sets, device, rates):
        self.test_batch, self.device = args.test_batch, device
        self.source = Resident(*sets["train"], min(args.batch, len(sets["train"][0])), 4, device)
        self.step, self.optimizer, self.totals, self.forward = tuned_training(args, model, self.source, SIZE, device, rates)
        self.tests = [part.to(device) for part in sets["test"]]
        self.run = self.captured(model) if device.type == "cuda" else self.step

    def captured(self, model):
        """The full step as a CUDA graph; the weights that its recording moved are put back."""
        before = {key: value.clone() for key, value in model.state_dict().items()}
        try:
            run = capture_step(self.step, self.source.feed, self.optimizer)
        except RuntimeError as error:
            print(f"the step is not captured: {str(error).splitlines()[0]}", file=sys.stderr)
            torch.cuda.synchronize()
            run = self.step
        model.load_state_dict(before)
        for state in self.optimizer.state.values():
            state["momentum_buffer"].zero_()
        return run

    def set_rate(self, rate):
        for group in self.optimizer.param_groups:
            group["lr"].fill_(rate)

    def epoch(self):
        for full in self.source.epoch():
            (self.run if full else self.step)()

    def right(self):
        count = 0
        with torch.no_grad():
            for images, labels in zip(*(part.split(self.test_batch) for part in self.tests)):
                count += self.forward(images.permute(0, 3, 1, 2), labels)[1]
        return int(count)


def train(args, model, sets, device, name):
    """Trains for all epochs. Gives the record of the stage."""
    model.to(device)
    rates = {**RATES, "lr": args.lr, "momentum": args.momentum, "weight_decay": args.weight_decay}
    stage = (ReferenceStage if args.mode == "reference" else TunedStage)(args, model, sets, device, rates)
    images, tests = (len(sets[key][0]) for key in ("train", "test"))
    seconds, accuracies, masks, distances = {"train": 0.0, "test": 0.0}, [], [], []

    def timed(what, work):
        begin = time.perf_counter()
        result = work()
        synchronise(device)
        seconds[what] += time.perf_counter() - begin
        return result

    for epoch in range(args.epochs):
        stage.set_rate(args.lr * 0.1 ** sum(epoch >= milestone for milestone in args.schedule))
        model.train()
        timed("train", stage.epoch)
        if not math.isfinite(float(stage.totals()[0])):
            raise SystemExit(f"{name} epoch {epoch + 1}: the loss is not finite")
        model.eval()
        accuracies.append(100 * timed("test", stage.right) / tests)
        mask = torch.cat(masks_of(model, args.ratio)).cpu()
        distances.append([(mask != before).float().mean().item() for before in masks[-WINDOW:]])
        masks.append(mask)
        print(f"{name} epoch {epoch + 1}/{args.epochs}: top-1 {accuracies[-1]:.2f}%, "
              f"{images * (epoch + 1) / seconds['train']:.1f} images/s", file=sys.stderr, flush=True)
    return {
        "epochs": args.epochs, "images": images, "seconds": seconds, "top1": accuracies,
        "mask_distances": distances,
        "parameters": parameters(model), "macs_per_image": macs_per_image(model, SIZE),
    }


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    networks = [name for name, size in INPUT_SIZE.items() if size == SIZE]
    parser.add_argument("--train", required=True, help="training images in CIFAR-10's binary layout")
    parser.add_argument("--test", required=True, help="test images in the same layout")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--model", choices=networks, default="vgg16")
    parser.add_argument("--mode", choices=["reference", "tuned"], default="reference")
    parser.add_argument("--ratio", type=float, default=0.5, help="share of the batch-norm channels to prune")
    parser.add_argument("--epochs", type=int, default=160, help="of each of the two trainings")
    parser.add_argument("--schedule", type=int, nargs="*", default=[80, 120],
                        help="epochs from which the rate is 0.1 times smaller")
    parser.add_argument("--lr", type=float, default=RATES["lr"])
    parser.add_argument("--momentum", type=float, default=RATES["momentum"])
    parser.add_argument("--weight-decay", type=float, default=RATES["weight_decay"])
    parser.add_argument("--l1", type=float, default=1e-4, help="strength of the L1 term on the batch-norm scales")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--test-batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reinit", action="store_true", help="train the small network from new weights, as the reference does")
    parser.add_argument("--dtype", choices=["bf16", "fp32"], default="fp32", help="autocast type, not for reference")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="CPU threads for torch")
    parser.add_argument("--json", help="where to write the record")
    return parser.parse_args(words)


def main():
    args = arguments()
    device = use_device(args.device, args.threads)
    torch.manual_seed(args.seed)
    sets = {name: read_cifar_bin(file) for name, file in (("train", args.train), ("test", args.test))}
    dense = build(args.model, None, args.classes)
    stages = {"dense": train(args, dense, sets, device, "dense")}
    begin = time.perf_counter()
    small, cfg = prune(args.model, dense, args.ratio, args.classes, inherit=not args.reinit)
    pruning = time.perf_counter() - begin
    stages["retrain"] = train(args, small, sets, device, "retrain")
    write({
        "script": "peer_job", "model": args.model, "mode": args.mode, "seed": args.seed, "ratio": args.ratio,
        **environment(device), "dtype": "fp32" if args.mode == "reference" else args.dtype, "cfg": cfg,
        "transform": reference_transform(SIZE)[1] if args.mode == "reference" else "batched",
        "stages": stages, "prune_s": pruning,
        "seconds": {"train": sum(stage["seconds"]["train"] for stage in stages.values()),
                    "test": sum(stage["seconds"]["test"] for stage in stages.values())},
        "top1": stages["retrain"]["top1"][-1], "dense_top1": stages["dense"]["top1"][-1],
        "peak_mib": {key: round(value, 1) for key, value in peak_memory_mib(device).items()},
    }, args.json)


if __name__ == "__main__":
    main()
