"""Times an exact int8 convolution of oneDNN beside its float32 one, on one thread.

    python scripts/bench/int8.py        # needs PyTorch 2.13 or later

An 8-bit block value with one exponent a sample (activations) and one an output channel (weights) is an integer times a
power of two, so that a low-precision forward convolution is a product of integers. This asks whether that would be
faster. Prints milliseconds of processor time, the best of nine calls, and whether the integers are those of float64.
"""

import time

import torch
import torch.nn.functional as F


def best(run):
    run()
    times = []
    for _ in range(9):
        start = time.thread_time()
        run()
        times.append(time.thread_time() - start)
    return min(times) * 1e3


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    for batch, channels, side in ((16, 64, 32), (16, 128, 16), (16, 256, 8), (64, 512, 4)):
        shape = (batch, channels, side, side)
        images = torch.randint(0, 128, shape, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
        weight = torch.randint(-127, 128, (channels, channels, 3, 3), dtype=torch.int8)
        scales, zeros = torch.ones(channels), torch.zeros(channels, dtype=torch.int64)
        one = [1, 1]
        ops = torch.ops.onednn
        packed = ops.qconv_prepack(weight, scales, 1.0, 0, one, one, one, 1, list(shape))

        def int8():
            return ops.qconv2d_pointwise(
                images, 1.0, 0, packed, scales, zeros, None, one, one, one, 1, 1.0, 0, torch.float32, "none", [None], ""
            )

        floats = images.float()
        weights = weight.float().contiguous(memory_format=torch.channels_last)
        exact = torch.equal(int8().double(), F.conv2d(images.double(), weight.double(), padding=1))
        print(
            f"3x3, {channels} channels, {side}x{side}, batch {batch}: int8 {best(int8):.2f} ms, "
            f"float32 {best(lambda: F.conv2d(floats, weights, padding=1)):.2f} ms, exact: {exact}"
        )


main()
