"""Scores of channels by other implementations, for test/native/scores.test.ts.

l1, l2, fpgm, lamp and snip come from torch-pruning 1.6.1 (its Taylor importance is SNIP's: the sum of |g w| of a filter);
taylor, grasp and synflow from the formulas of their papers in PyTorch, in float64. How the two are comparable is said in
docs/pruning.md.

    pip install torch==2.13.0 torch-pruning==1.6.1
    python scripts/golden/criteria.py > test/fixtures/criteria.json
"""

import json

import torch
import torch_pruning as tp
from torch import nn

CFG = [6, "M", 8, "M", 9, 7, "M", 10, "M", 12]
CLASSES, IMAGES, SIDE = 10, 16, 32


class Numbers:
    """u in [0, 1) by a linear congruential generator, which the test has as well."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return (self.state >> 8) / 2**24

    def tensor(self, shape, scale, offset):
        count = torch.Size(shape).numel()
        values = [scale * (self.next() - 0.5) + offset for _ in range(count)]
        return torch.tensor(values, dtype=torch.float32).double().reshape(shape)


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        layers, width = [], 3
        for entry in CFG:
            if entry == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(width, entry, 3, padding=1, bias=False), nn.BatchNorm2d(entry), nn.ReLU()]
            width = entry
        self.feature = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, CLASSES)

    def forward(self, x):
        return self.classifier(nn.functional.avg_pool2d(self.feature(x), 2).flatten(1))

    def pairs(self):
        """Each convolution with the BN layer behind it."""
        return [(self.feature[i - 1], m) for i, m in enumerate(self.feature) if isinstance(m, nn.BatchNorm2d)]


def network(positive=False):
    model, numbers = Vgg().double(), Numbers(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_gamma = parameter.dim() == 1 and name.startswith("feature") and name.endswith("weight")
            value = numbers.tensor(parameter.shape, 0.4, 0.8 if is_gamma else 0.0)
            parameter.copy_(value.abs() if positive else value)
    return model


def batch():
    numbers = Numbers(2)
    pixels = [int(256 * numbers.next()) for _ in range(IMAGES * SIDE * SIDE * 3)]
    images = torch.tensor(pixels, dtype=torch.float64).reshape(IMAGES, SIDE, SIDE, 3).permute(0, 3, 1, 2)
    return (images / 255 - 0.5) / 0.25, torch.arange(IMAGES) % CLASSES


def loss_of(model):
    images, labels = batch()
    return nn.functional.cross_entropy(model.train()(images), labels)


def torch_pruning(model, importance):
    """Of the first layer of each group, which is the convolution; not normalised."""
    graph = tp.DependencyGraph().build_dependency(model, example_inputs=batch()[0])
    groups = [
        graph.get_pruning_group(conv, tp.prune_conv_out_channels, idxs=list(range(conv.out_channels)))
        for conv, _ in model.pairs()
    ]
    return [importance(group).double() for group in groups]


def over_mean(layers):
    return [layer / layer.mean() for layer in layers]


def l1():
    return over_mean(torch_pruning(network(), tp.importance.GroupMagnitudeImportance(1, "first", None)))


def l2():
    squares = torch_pruning(network(), tp.importance.GroupMagnitudeImportance(2, "first", None))
    return over_mean([layer.sqrt() for layer in squares])


def fpgm():
    """Of positive weights: torch-pruning compares |w|^p, not w."""
    return over_mean(torch_pruning(network(positive=True), tp.importance.FPGMImportance(1, "first", None)))


def lamp():
    return torch_pruning(network(), tp.importance.LAMPImportance(2, "first"))


def snip():
    model = network()
    loss_of(model).backward()
    return torch_pruning(model, tp.importance.GroupTaylorImportance("first", None))


def taylor():
    """The squared gradient of a gate of 1 behind each BN layer."""
    model, gates = network(), []

    def gated(_module, _inputs, output):
        gates.append(torch.ones(output.shape[1], dtype=output.dtype, requires_grad=True))
        return output * gates[-1][None, :, None, None]

    for _, norm in model.pairs():
        norm.register_forward_hook(gated)
    return [slope.square() for slope in torch.autograd.grad(loss_of(model), gates)]


def grasp():
    model = network()
    parameters = dict(model.named_parameters())
    slopes = torch.autograd.grad(loss_of(model), list(parameters.values()), create_graph=True)
    product = sum((slope * slope.detach()).sum() for slope in slopes)
    hessian_gradient = dict(zip(parameters, torch.autograd.grad(product, list(parameters.values()))))
    names = {module: name for name, module in model.named_modules()}
    of = lambda norm, field: parameters[f"{names[norm]}.{field}"] * hessian_gradient[f"{names[norm]}.{field}"]
    return [of(norm, "weight") + of(norm, "bias") for _, norm in model.pairs()]


def synflow():
    model = network().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.zero_() if name.endswith("bias") else parameter.abs_()
    model(torch.ones(1, 3, SIDE, SIDE, dtype=torch.float64)).sum().backward()
    layers = [(conv.weight * conv.weight.grad).flatten(1).sum(1) for conv, _ in model.pairs()]
    return [layer / max(layer.max() for layer in layers) for layer in layers]


def main():
    rows = {}
    for criterion in (l1, l2, fpgm, lamp, taylor, snip, grasp, synflow):
        rows[criterion.__name__] = [float(f"{value:.9g}") for layer in criterion() for value in layer.tolist()]
    lines = [f' "{name}": {json.dumps(values)}' for name, values in rows.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


main()
