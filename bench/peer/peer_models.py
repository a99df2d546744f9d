"""The networks of the reference in plain PyTorch, with its state_dict keys and shapes.

build("vgg16") gives the dense network, build("vgg16", cfg=[...]) a pruned one: the cfg of a pruned.pth.tar.
Run as a program it prints parameters, FLOPs and BN channels.
"""
from functools import partial

import torch
import torch.nn as nn
import torch.nn.functional as F

INPUT_SIZE = {"vgg16": 32, "preresnet20": 32, "preresnet101": 32, "resnet18": 224, "resnet50": 224}


class Select(nn.Module):
    """Keeps the channels whose entry in `indexes` is non-zero.

    As built it reads the vector on the host at every call, as the reference does. freeze() reads it once: the
    forward is then one gather on the device, or nothing at all when every channel is kept.
    """

    def __init__(self, width, kept=None):
        super().__init__()
        kept = width if kept is None else kept
        indexes = torch.zeros(width)
        indexes[torch.arange(kept) * width // kept] = 1  # evenly spread, until a checkpoint says which
        self.indexes = nn.Parameter(indexes)
        self.register_buffer("keep", None, persistent=False)
        self.frozen = False

    def freeze(self):
        keep = self.indexes.detach().nonzero().flatten()
        self.keep = None if len(keep) == len(self.indexes) else keep
        self.frozen = True

    def forward(self, x):
        if not self.frozen:
            return x[:, self.indexes.detach().cpu().nonzero().flatten()]
        if self.keep is None:
            return x
        return x.permute(0, 2, 3, 1).index_select(3, self.keep).permute(0, 3, 1, 2)  # stays channels_last


def conv(cin, cout, size, stride=1, bias=False):
    return nn.Conv2d(cin, cout, size, stride=stride, padding=size // 2, bias=bias)


def initialise(model, gamma):
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out")  # N(0, sqrt(2 / (k*k*cout)))
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.constant_(m.weight, gamma)


# ---- VGG-16 for 32x32 images -----------------------------------------------------------------------------------

VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]


class VGG(nn.Module):
    def __init__(self, cfg=None, classes=10):
        super().__init__()
        layers, width = [], 3
        for v in cfg or VGG16:
            if v == "M":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [conv(width, v, 3), nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
                width = v
        self.feature = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, classes)
        initialise(self, gamma=0.5)
        nn.init.normal_(self.classifier.weight, 0, 0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x):
        return self.classifier(F.avg_pool2d(self.feature(x), 2).flatten(1))


# ---- PreResNet (depth 9n+2) for 32x32 images -------------------------------------------------------------------

class PreBlock(nn.Module):
    def __init__(self, width, planes, cfg, stride):
        super().__init__()
        c0, c1, c2 = cfg
        self.bn1 = nn.BatchNorm2d(width)
        self.select = Select(width, c0)
        self.conv1 = conv(c0, c1, 1)
        self.bn2 = nn.BatchNorm2d(c1)
        self.conv2 = conv(c1, c2, 3, stride)
        self.bn3 = nn.BatchNorm2d(c2)
        self.conv3 = conv(c2, 4 * planes, 1)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(conv(width, 4 * planes, 1, stride)) if width != 4 * planes else None

    def forward(self, x):
        out = self.conv1(self.relu(self.select(self.bn1(x))))
        out = self.conv2(self.relu(self.bn2(out)))
        out = self.conv3(self.relu(self.bn3(out)))
        out += x if self.downsample is None else self.downsample(x)
        return out


class PreResNet(nn.Module):
    def __init__(self, cfg=None, classes=10, depth=101):
        super().__init__()
        n = (depth - 2) // 9
        assert depth == 9 * n + 2, "depth must be 9n+2"
        if cfg is None:
            stages = [(16, 16), (64, 32), (128, 64)]  # (width on entry, planes)
            cfg = [c for w, p in stages for c in [w, p, p] + [4 * p, p, p] * (n - 1)] + [256]
        self.conv1 = conv(3, 16, 3)
        width = 16
        for s, planes in enumerate((16, 32, 64)):
            blocks = []
            for b in range(n):
                at = 3 * (n * s + b)
                blocks.append(PreBlock(width, planes, cfg[at:at + 3], stride=2 if s > 0 and b == 0 else 1))
                width = 4 * planes
            setattr(self, f"layer{s + 1}", nn.Sequential(*blocks))
        self.bn = nn.BatchNorm2d(width)
        self.select = Select(width, cfg[-1])
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(cfg[-1], classes)
        initialise(self, gamma=0.5)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        x = self.relu(self.select(self.bn(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


# ---- ResNet-18 and ResNet-50 for 224x224 images ----------------------------------------------------------------

class BasicBlock(nn.Module):
    def __init__(self, width, planes, cfg, stride):
        super().__init__()
        c0, c1 = cfg
        self.select = Select(width, c0)
        self.conv1 = conv(c0, c1, 3, stride)
        self.bn1 = nn.BatchNorm2d(c1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv(c1, planes, 3)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(conv(width, planes, 1, stride), nn.BatchNorm2d(planes))

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(self.select(x))))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    def __init__(self, width, c1, c2, c3, stride, first):
        super().__init__()
        self.conv1 = conv(width, c1, 1)
        self.bn1 = nn.BatchNorm2d(c1)
        self.conv2 = conv(c1, c2, 3, stride)
        self.bn2 = nn.BatchNorm2d(c2)
        self.conv3 = conv(c2, c3, 1)
        self.bn3 = nn.BatchNorm2d(c3)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if first:
            self.downsample = nn.Sequential(conv(width, c3, 1, stride, bias=True), nn.BatchNorm2d(c3))

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ImageNetResNet(nn.Module):
    """Common stem and tail; `stages` is a list of four lists of blocks."""

    def __init__(self, stem, stages, width, classes, stem_select):
        super().__init__()
        self.conv1 = conv(3, stem, 7, 2)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        for s, blocks in enumerate(stages):
            setattr(self, f"layer{s + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(width, classes)
        self.select = Select(stem) if stem_select else nn.Identity()
        initialise(self, gamma=1.0)

    def forward(self, x):
        x = self.maxpool(self.relu(self.select(self.bn1(self.conv1(x)))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def resnet18(cfg=None, classes=1000):
    """cfg: 17 widths; block k uses (cfg[2k], cfg[2k+1]) = (conv1 in, conv1 out)."""
    cfg = cfg or [64] + [p for p in (64, 128, 256, 512) for _ in range(4)]
    stages, width = [], 64
    for s, planes in enumerate((64, 128, 256, 512)):
        stages.append([])
        for b in range(2):
            k = 2 * s + b
            stages[s].append(BasicBlock(width, planes, cfg[2 * k:2 * k + 2], stride=2 if s > 0 and b == 0 else 1))
            width = planes
    return ImageNetResNet(64, stages, width, classes, stem_select=True)


def resnet50(cfg=None, classes=1000):
    """cfg: 49 or 50 widths: stem, then per block (in, conv1, conv2); a stage's width is the next block's `in`."""
    if cfg is None:
        cfg, width = [64], 64
        for planes, count in zip((64, 128, 256, 512), (3, 4, 6, 3)):
            for _ in range(count):
                cfg += [width, planes, planes]
                width = 4 * planes
    stages, width, b = [], cfg[0], 0
    for s, count in enumerate((3, 4, 6, 3)):
        stages.append([])
        for i in range(count):
            c1, c2 = cfg[2 + 3 * b], cfg[3 + 3 * b]
            c3 = cfg[4 + 3 * b] if i == 0 else width  # later blocks keep the residual stream's width
            stages[s].append(Bottleneck(width, c1, c2, c3, stride=2 if s > 0 and i == 0 else 1, first=i == 0))
            width, b = c3, b + 1
    return ImageNetResNet(cfg[0], stages, width, classes, stem_select=False)


# ---- front door ------------------------------------------------------------------------------------------------

def build(name, cfg=None, classes=None):
    make = {"vgg16": VGG, "preresnet20": partial(PreResNet, depth=20), "preresnet101": PreResNet,
            "resnet18": resnet18, "resnet50": resnet50}[name]
    return make(cfg, classes or (10 if INPUT_SIZE[name] == 32 else 1000))


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def macs_per_image(model, size):
    """Multiply-accumulates of the conv and linear layers for one image (forward only)."""
    total, hooks = 0, []

    def count(module, _, out):
        nonlocal total
        total += module.weight.numel() * (out[0, 0].numel() if out.dim() == 4 else 1)

    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            hooks.append(m.register_forward_hook(count))
    was_training = model.training
    model.eval()  # so that batch-norm statistics stay untouched
    with torch.no_grad():
        model(torch.zeros(1, 3, size, size, device=next(model.parameters()).device))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return total


def bn_gammas(model):
    """The BN2d scales in traversal order: what the mask, the threshold and the L1 term work on."""
    return [m.weight for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


if __name__ == "__main__":
    for name, size in INPUT_SIZE.items():
        model = build(name)
        print(f"{name:13} {parameters(model):>11,} parameters {2 * macs_per_image(model, size):>14,} FLOPs "
              f"{sum(g.numel() for g in bn_gammas(model)):>6,} BN channels")
