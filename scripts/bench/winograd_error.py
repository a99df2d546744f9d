"""Relative error of 3x3 convolutions by Winograd with bfloat16 images and weights: operands in float32, in bfloat16, or
integers of up to 4095 with a scale for each row of images and each column of weights (cpp/layer/conv/integer_product.h).

    python scripts/bench/winograd_error.py        # needs PyTorch and NumPy

Images are the ReLU of normal values, weights are drawn as for training; both are bfloat16 values. The truth is a
convolution in float64. "Rounded" results are stored as bfloat16, as a layer stores them; a direct convolution has that
error too. Operands in bfloat16 are what a bfloat16 instruction could multiply after the transforms.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F


def transforms(points, tile):
    """Matrices of outputs, weights and inputs (Toom-Cook) for some points and infinity."""
    size = tile + 2
    outputs, weights, inputs = np.zeros((tile, size)), np.zeros((size, 3)), np.zeros((size, size))
    for j, x in enumerate(points):
        others = [y for y in points if y != x]
        outputs[:, j] = [x**i for i in range(tile)]
        weights[j] = [x**i / np.prod([x - y for y in others]) for i in range(3)]
        inputs[j, : size - 1] = np.poly(others)[::-1]
    outputs[-1, -1] = weights[-1, -1] = 1
    inputs[-1] = np.poly(points)[::-1]
    return [torch.tensor(matrix, dtype=torch.float32) for matrix in (outputs, weights, inputs)]


def in_float32(tensor, axis):
    return tensor


def in_bfloat16(tensor, axis):
    return tensor.bfloat16().float()


def in_integers(tensor, axis):
    scale = tensor.abs().amax(axis, keepdim=True) / 4095
    return torch.nan_to_num(tensor / scale).round() * scale


def winograd(images, weight, points, tile, operands):
    to_outputs, of_weights, of_inputs = transforms(points, tile)
    size = tile + 2
    windows = F.pad(images, (1, 1, 1, 1)).unfold(2, size, tile).unfold(3, size, tile)
    left = torch.einsum("ij,nctujk,lk->nctuil", of_inputs, windows, of_inputs)
    right = torch.einsum("ij,ocjk,lk->ocil", of_weights, weight, of_weights)
    left, right = operands(left, 1), operands(right, 1)
    products = torch.einsum("nctuil,ocil->notuil", left, right)
    out = torch.einsum("ij,notujk,lk->notuil", to_outputs, products, to_outputs)
    return out.permute(0, 1, 2, 4, 3, 5).reshape(len(images), len(weight), *images.shape[2:])


def main():
    torch.manual_seed(0)
    print(f"PyTorch {torch.__version__}")
    for channels, side in ((64, 16), (256, 8)):
        images = torch.randn(4, channels, side, side).relu().bfloat16().float()
        weight = torch.randn(channels, channels, 3, 3) * math.sqrt(2 / (9 * channels))
        weight = weight.bfloat16().float()
        truth = F.conv2d(images.double(), weight.double(), padding=1)

        def error(result):
            return f"{((result.double() - truth).norm() / truth.norm()).item():.1e}"

        print(f"{channels} channels, {side}x{side}: direct, rounded {error(F.conv2d(images, weight, padding=1).bfloat16())}")
        for name, points, tile in (("F(2x2)", [0, 1, -1], 2), ("F(4x4)", [0, 1, -1, 0.5, -2], 4)):
            for operands in (in_float32, in_bfloat16, in_integers):
                result = winograd(images, weight, points, tile, operands)
                print(f"  {name}, operands {operands.__name__}: {error(result)}, rounded {error(result.bfloat16())}")


main()
