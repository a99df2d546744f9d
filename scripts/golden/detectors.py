"""Values of NumPy, SciPy and pymannkendall that the tests of detectors are held against.

Run as: python scripts/golden/detectors.py > test/fixtures/detectors.json
Needs: pip install numpy==2.4.6 scipy==1.17.1 pymannkendall==1.4.3

Masks are sets of channels here and packed bits in the program; nothing is shared with it.
"""

import json

import numpy as np
import pymannkendall
import scipy
from scipy import special, stats


def trend_tests(values):
    kendall = pymannkendall.original_test(values)
    slope = stats.linregress(range(len(values)), values)
    return {
        "values": values,
        "kendall": {"statistic": float(kendall.s), "p": float(kendall.p)},
        "slope": {"statistic": float(slope.slope), "p": float(slope.pvalue)},
    }


def series(rng):
    yield [5.0, 4.0, 3.0, 2.0, 1.5, 1.0]
    yield [0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.2]
    yield [0.3, 0.25, 0.25, 0.2, 0.2, 0.2, 0.15, 0.16]
    for count in (4, 5, 8, 10, 15, 30):
        yield [float(x) for x in rng.normal(size=count)]
        yield [float(x) for x in 0.5 * np.exp(-np.arange(count) / 4) + 0.02 * rng.normal(size=count)]
        yield [float(x) for x in np.round(rng.uniform(size=count), 1)]


def chance(layers):
    """Mean and standard deviation of the distance of two random masks, layer by layer."""
    total = sum(width for width, _ in layers)
    mean = variance = 0.0
    for width, kept in layers:
        common_mean, common_variance = stats.hypergeom(width, kept, kept).stats("mv")
        mean += 2 * (kept - float(common_mean))
        variance += 4 * float(common_variance)
    return {
        "widths": [width for width, _ in layers],
        "kept": [kept for _, kept in layers],
        "mean": mean / total,
        "sd": float(np.sqrt(variance)) / total,
    }


def settling_masks(rng, layers, count):
    """Sets of kept channels by fading scores, the first of them empty, as before training."""
    total = sum(layers)
    target = rng.uniform(size=total)
    masks = [set()]
    for step in range(count - 1):
        scores = target + rng.normal(size=total) * 0.5 * np.exp(-step / 4)
        masks.append(set(np.argsort(scores)[total // 2 :].tolist()))
    return masks


def hex_of(mask, total):
    bits = np.zeros(total, dtype=np.uint8)
    bits[sorted(mask)] = 1
    return np.packbits(bits).tobytes().hex()


def by_layer(mask, layers):
    ends = np.cumsum(layers)
    return [{c for c in mask if end - width <= c < end} for width, end in zip(layers, ends)]


def signals(masks, layers):
    total = sum(layers)
    parts = [by_layer(mask, layers) for mask in masks]

    def jaccard(a, b):
        return np.mean([len(x & y) / len(x | y) if x | y else 1.0 for x, y in zip(parts[a], parts[b])])

    def structure(a, b):
        return 1 - np.mean(
            [abs(len(x) - len(y)) / (len(x) + len(y)) if x or y else 0.0 for x, y in zip(parts[a], parts[b])]
        )

    def trend(end, window, smooth):
        adjacent = [len(masks[i] ^ masks[i + 1]) / total for i in range(end - window - smooth + 1, end)]
        smoothed = np.convolve(adjacent, np.ones(smooth) / smooth, mode="valid")
        assert len(smoothed) == window
        slope = stats.linregress(range(window), smoothed).pvalue
        return min(pymannkendall.original_test(smoothed).p, slope)

    def optional(function, first):
        return [None if i < first else float(function(i)) for i in range(len(masks))]

    return {
        "hamming": optional(lambda i: max(len(masks[i] ^ masks[j]) / total for j in range(i - 4, i)), 4),
        "hamming:rule=consecutive": optional(
            lambda i: max(len(masks[j] ^ masks[j + 1]) / total for j in range(i - 5, i)), 5
        ),
        "jaccard": optional(lambda i: np.mean([jaccard(j, j - 2) for j in range(i - 2, i + 1)]), 4),
        "structure": optional(lambda i: structure(i, i - 1), 1),
        "structure:window=3": optional(lambda i: np.mean([structure(j, j - 1) for j in range(i - 2, i + 1)]), 3),
        "trend": optional(lambda i: trend(i, 10, 3), 12),
        "trend:window=6:smooth=1": optional(lambda i: trend(i, 6, 1), 6),
    }


def main():
    rng = np.random.default_rng(7)
    layers = [5, 16, 11, 24, 9]
    masks = settling_masks(rng, layers, 24)
    result = {
        "made": f"numpy {np.__version__}, scipy {scipy.__version__}, pymannkendall {pymannkendall.__version__}",
        "trends": [trend_tests(values) for values in series(rng)],
        "outsideT": [
            {"t": t, "freedom": freedom, "p": float(2 * stats.t.sf(t, freedom))}
            for freedom in (1, 2, 3, 4, 7, 10, 28)
            for t in (0.0, 0.3, 1.0, 2.5, 6.0)
        ],
        "erfc": [{"x": x, "value": float(special.erfc(x))} for x in (0.0, 0.1, 0.7, 1.3, 1.99, 2.0, 3.1, 5.0)],
        "chance": [
            chance([(12, 6)]),
            chance([(2, 1), (3, 2)]),
            chance([(4224, 2956)]),
            chance([(64, 60), (128, 100), (512, 90), (512, 0)]),
        ],
        "sequence": {
            "layers": layers,
            "masks": [hex_of(mask, sum(layers)) for mask in masks],
            "signals": signals(masks, layers),
        },
    }
    print(json.dumps(result, separators=(",", ":"), allow_nan=False))


main()
