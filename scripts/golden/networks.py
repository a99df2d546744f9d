"""Logits and sizes of networks in PyTorch, for test/network/shipped.test.ts: those that come with the package as data.

MobileNetV2 is torchvision's. The others are written out here from their papers. All weights are computed, here and in the
test, from their position in the list of keys.

    pip install torch==2.14.1 torchvision==0.29.1 numpy
    python scripts/golden/networks.py > test/fixtures/networks.json
"""

import json
import math

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

CLASSES = 10


def conv(width, out, kernel, stride=1, padding=None):
    return nn.Conv2d(width, out, kernel, stride, kernel // 2 if padding is None else padding, bias=False)


class AlexNetBn(nn.Module):
    def __init__(self):
        super().__init__()
        def block(width, out, kernel, **more):
            return [conv(width, out, kernel, **more), nn.BatchNorm2d(out), nn.ReLU()]

        self.features = nn.Sequential(
            *block(3, 64, 11, stride=4, padding=5), nn.MaxPool2d(2),
            *block(64, 192, 5), nn.MaxPool2d(2),
            *block(192, 384, 3), *block(384, 256, 3), *block(256, 256, 3), nn.MaxPool2d(2),
        )
        self.classifier = nn.Linear(256, CLASSES)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class WideBlock(nn.Module):
    """BN, ReLU, 3x3, BN, ReLU, 3x3; where the width changes, the shortcut reads what follows the first ReLU."""

    def __init__(self, width, planes, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(width), conv(width, planes, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), conv(planes, planes, 3)
        self.convShortcut = None if width == planes else conv(width, planes, 1, stride)

    def forward(self, x):
        entered = self.bn1(x).relu()
        inner = self.conv2(self.bn2(self.conv1(entered)).relu())
        return inner + (x if self.convShortcut is None else self.convShortcut(entered))


class WideStage(nn.Module):
    def __init__(self, width, planes, stride):
        super().__init__()
        blocks = [WideBlock(width if i == 0 else planes, planes, stride if i == 0 else 1) for i in range(4)]
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResNet28(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.conv1 = conv(3, 16, 3)
        self.block1 = WideStage(16, 16 * k, 1)
        self.block2 = WideStage(16 * k, 32 * k, 2)
        self.block3 = WideStage(32 * k, 64 * k, 2)
        self.bn1 = nn.BatchNorm2d(64 * k)
        self.fc = nn.Linear(64 * k, CLASSES)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(self.bn1(x).relu().mean((2, 3)))


class DenseLayer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(width), conv(width, 12, 3)

    def forward(self, x):
        return torch.cat([x, self.conv1(self.bn1(x).relu())], 1)


class Transition(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(width), conv(width, width, 1)

    def forward(self, x):
        return F.avg_pool2d(self.conv1(self.bn1(x).relu()), 2)


class DenseNet40(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, width = conv(3, 16, 3), 16
        for block in (1, 2, 3):
            setattr(self, f"dense{block}", nn.Sequential(*[DenseLayer(width + 12 * i) for i in range(12)]))
            width += 144
            if block < 3:
                setattr(self, f"trans{block}", Transition(width))
        self.bn, self.fc = nn.BatchNorm2d(width), nn.Linear(width, CLASSES)

    def forward(self, x):
        x = self.trans1(self.dense1(self.conv1(x)))
        x = self.dense3(self.trans2(self.dense2(x)))
        return self.fc(self.bn(x).relu().mean((2, 3)))


def uniform(ordinal, count):
    """In [-0.5, 0.5): a hash of the position (the test has it as well)."""
    x = np.arange(count, dtype=np.uint32) + np.uint32(ordinal * 0x9E3779B1 & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return (x >> np.uint32(8)).astype(np.float32) / np.float32(2**24) - np.float32(0.5)


def value(key, shape, ordinal):
    numbers = uniform(ordinal, math.prod(shape))
    if key.endswith("running_var") or (key.endswith("weight") and len(shape) == 1):
        numbers = numbers + np.float32(1)
    elif len(shape) > 1:
        # Below He's scale, at which rounding grows with depth until PyTorch's own float32 is 1e-5 from its float64.
        numbers = numbers * np.float32(1.5 * math.sqrt(6 / math.prod(shape[1:])))
    else:
        numbers = numbers * np.float32(0.2)
    return torch.from_numpy(numbers.reshape(shape))


def golden(model, side):
    state = {key: tensor for key, tensor in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    filled = {key: value(key, state[key].shape, ordinal) for ordinal, key in enumerate(sorted(state))}
    model.load_state_dict(filled, strict=False)
    images = torch.from_numpy(uniform(1 << 20, 2 * 3 * side * side).reshape(2, 3, side, side)) * 4
    with torch.no_grad():
        logits = model.eval()(images)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "side": side,
        "logits": logits.flatten().tolist(),
    }


def main():
    torch.set_num_threads(1)
    out = {
        "alexnet_bn": golden(AlexNetBn(), 32),
        "wide_resnet28_2": golden(WideResNet28(2), 32),
        "wide_resnet28_4": golden(WideResNet28(4), 32),
        "wide_resnet28_10": {"parameters": sum(p.numel() for p in WideResNet28(10).parameters())},
        "mobilenet_v2": golden(torchvision.models.mobilenet_v2(num_classes=CLASSES), 64),
        "densenet40": golden(DenseNet40(), 32),
    }
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
