"""Writes golden blocks, tensors and convolutions of the MX formats and NVFP4 for `npm run parity -- DIR`.

    python3 scripts/golden/mx_formats.py DIR [--seed N] [--blocks N]
    (pip install torch torchao==0.18.0 gfloat==0.5.2)

No value is ours: gfloat gives floor/even and floor/away, torchao the other rules and NVFP4, and both must agree on
floor/even. Stochastic rounding is gfloat's StochasticFast with 16 random bits an element, made here by the published
Philox4x32 and the rule of docs/low-precision.md from seed, epoch, step and lane. Left out is what that page says that
they disagree in. gfloat is given float64: with float32 its logarithm is off just below powers of two.
"""
import argparse
import json
import pathlib

import numpy
import torch
from gfloat import RoundMode, compute_scale_amax, decode_block, encode_block, encode_float, round_float
from gfloat import formats
from torch.nn import functional, grad
from torchao.prototype.mx_formats import mx_tensor, nvfp4_tensor
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.kernels import f4_unpacked_to_f32, unpack_uint4

# The formats by name: the element and the block format of gfloat, the type of torchao, and the largest exponent.
FORMATS = {
    "mxint8": ("int8", "mxint8", None, 0),
    "mxfp8-e4m3": ("e4m3", "mxfp8_e4m3", torch.float8_e4m3fn, 8),
    "mxfp8-e5m2": ("e5m2", "mxfp8_e5m2", torch.float8_e5m2, 15),
    "mxfp6-e2m3": ("e2m3", "mxfp6_e2m3", "fp6_e2m3", 2),
    "mxfp6-e3m2": ("e3m2", "mxfp6_e3m2", "fp6_e3m2", 4),
    "mxfp4": ("e2m1", "mxfp4_e2m1", torch.float4_e2m1fn_x2, 2),
}
ROUND = {"even": RoundMode.TiesToEven, "away": RoundMode.TiesToAway}


def by_gfloat(x, name, rounding="even"):
    element, block, _, emax = FORMATS[name]
    info = getattr(formats, f"format_info_{block}")
    wide = x.astype(numpy.float64)
    scale = compute_scale_amax(emax, wide)
    encoded = list(encode_block(info, float(scale), wide / scale, ROUND[rounding]))
    back = numpy.fromiter(decode_block(info, encoded), numpy.float64)
    return encoded[0], encoded[1:], back.astype(numpy.float32)


def by_torchao(x, name, rule):
    kind = FORMATS[name][2]
    padded = torch.zeros(1, 32)
    padded[0, : x.size] = torch.from_numpy(x)
    scale, data = mx_tensor.to_mx(padded, kind, 32, ScaleCalculationMode(rule))
    back = mx_tensor.to_dtype(data, scale, kind, 32, torch.float32).flatten()[: x.size]
    raw = data.view(torch.uint8)
    codes = (unpack_uint4(raw) if name == "mxfp4" else raw).flatten()[: x.size]
    return int(scale.view(torch.uint8).item()), codes.tolist(), back.numpy()


def tensor_by_torchao(x, scale):
    """A row of any length in NVFP4: block scales, codes, values."""
    padded = torch.zeros(1, -(-x.size // 16) * 16)
    padded[0, : x.size] = torch.from_numpy(x)
    scales, data = nvfp4_tensor.nvfp4_quantize(padded, 16, scale)
    codes = unpack_uint4(data.view(torch.uint8))
    back = f4_unpacked_to_f32(codes).view(-1, 16) * (scale * scales.float()).view(-1, 1)
    bytes_of_scales = scales.view(torch.uint8).flatten().tolist()
    return bytes_of_scales, codes.flatten()[: x.size].tolist(), back.flatten()[: x.size].numpy()


def blocks(rng, emax, each):
    """Named blocks of any magnitude: random, with ties, around powers of two, zeros, shorter than 32."""
    ldexp = lambda values, power: numpy.ldexp(values, power).astype(numpy.float32)
    for i in range(each):
        power = int(rng.integers(-90, 90))
        yield f"normal {i}", ldexp(rng.standard_normal(32), power)
        yield f"apart {i}", ldexp(rng.standard_normal(32), rng.integers(-14, 15, 32))
        # Steps of every format are among the sixteenths of a power of two, so that many values are midpoints.
        yield f"midpoints {i}", ldexp(rng.integers(-32, 33, 32) / 16.0, power + rng.integers(-4, 1, 32))
        top = ldexp(rng.uniform(-0.9, 0.9, 32), power)
        top[i % 32] = numpy.nextafter(numpy.float32(2.0**power), numpy.float32(rng.choice([0, 0, 9e30])))
        yield f"next to 2^{power}", top
        yield f"of {i % 31 + 1}", ldexp(rng.standard_normal(i % 31 + 1), int(rng.integers(-20, 20)))
    yield "zeros", numpy.copysign(numpy.zeros(32, numpy.float32), rng.choice([-1, 1], 32)).astype(numpy.float32)
    yield "huge", ldexp(rng.uniform(-1, 1, 32), 126)


def floats(values):
    bits = numpy.asarray(values, numpy.float32).view(numpy.uint32)
    return "".join(f"{bit:08x}" for bit in bits.ravel())


def doubles(values):
    return "".join(f"{bit:016x}" for bit in numpy.ascontiguousarray(values, numpy.float64).view(numpy.uint64).ravel())


def octets(values):
    return "".join(f"{int(value):02x}" for value in values)


def blocks_file(rng, name, each):
    named = list(blocks(rng, FORMATS[name][3], each))
    inputs = {"names": [label for label, _ in named], "x": [floats(x) for _, x in named]}
    doc = {"format": name, "block": 32, **inputs, "quantised": {}}
    judges = {"floor/even": lambda x: by_gfloat(x, name), "floor/away": lambda x: by_gfloat(x, name, "away")}
    if name != "mxint8":
        judges |= {f"{rule}/even": (lambda x, rule=rule: by_torchao(x, name, rule)) for rule in ("rceil", "even")}
        for label, x in named:
            ours, theirs = by_gfloat(x, name), by_torchao(x, name, "floor")
            same = ours[0] == theirs[0] and list(ours[1]) == list(theirs[1]) and floats(ours[2]) == floats(theirs[2])
            if not same:
                raise SystemExit(f"gfloat and torchao disagree in {name} on '{label}': {floats(x)}")
    for kind, judge in judges.items():
        results = [judge(x) for _, x in named]
        doc["quantised"][kind] = {
            "scale": octets(r[0] for r in results),
            "codes": [octets(r[1]) for r in results],
            "back": [floats(r[2]) for r in results],
        }
    return doc


def tensors_file(rng, each):
    cases = []
    for i in range(each):
        n = int(rng.integers(1, 100))
        power = int(rng.integers(-60, 60))
        x = numpy.ldexp(rng.standard_normal(n), power + rng.integers(-6, 1, n)).astype(numpy.float32)
        scale = nvfp4_tensor.per_tensor_amax_to_scale(torch.from_numpy(x).abs().max())
        scales, codes, back = tensor_by_torchao(x, scale)
        found = {"scale": octets(scales), "codes": octets(codes), "back": floats(back)}
        cases.append(
            {"name": f"{i}, {n} values", "n": n, "x": floats(x), "tensor_scale": floats([scale.item()]), **found}
        )
    return {"format": "nvfp4", "block": 16, "rounding": "even", "cases": cases}


def along(values, axis, name, runs=1):
    """The values in a format and back, in blocks along an axis that is cut into `runs`."""
    scale = nvfp4_tensor.per_tensor_amax_to_scale(torch.from_numpy(values).abs().max())
    last = numpy.ascontiguousarray(numpy.moveaxis(values, axis, -1))
    out = []
    for row in last.reshape(-1, last.shape[-1] // runs):
        if name == "nvfp4":
            out.append(tensor_by_torchao(row, scale)[2])
        else:
            out += [by_gfloat(row[i : i + 32], name)[2] for i in range(0, row.size, 32)]
    return torch.from_numpy(numpy.moveaxis(numpy.concatenate(out).reshape(last.shape), -1, axis).astype(numpy.float64))


def philox(seed, counter, rounds=7):
    """Philox4x32 of Salmon et al., SC 2011, with seven rounds."""
    low = (1 << 32) - 1
    c0, c1, c2, c3 = counter
    key = [seed & low, seed >> 32]
    for _ in range(rounds):
        left, right = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = right >> 32 ^ c1 ^ key[0], right & low, left >> 32 ^ c3 ^ key[1], left & low
        key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
    return c0, c1, c2, c3


def noise(key, count):
    """16 random bits for each element: a call serves 8 of them, the low half of a word before its high half."""
    for element in range(count):
        words = philox(key["seed"], (element // 8, key["step"], key["epoch"], key["lane"]))
        yield words[element % 8 // 2] >> 16 * (element % 2) & 0xFFFF


def elements_by_gfloat(info, values, bits):
    """Codes of float64 values that are divided by their scale, rounded up or down by 16 random bits each."""
    fast = RoundMode.StochasticFast
    return [encode_float(info, round_float(info, float(v), fast, True, b, 16)) for v, b in zip(values, bits)]


def stochastic_by_gfloat(x, name, bits):
    info = getattr(formats, f"format_info_{FORMATS[name][1]}")
    scales, codes, back = [], [], []
    for begin in range(0, x.size, 32):
        wide = x[begin : begin + 32].astype(numpy.float64)
        scale = float(compute_scale_amax(FORMATS[name][3], wide))
        scales.append(encode_float(info.stype, scale))
        found = elements_by_gfloat(info.etype, wide / scale, bits[begin : begin + 32])
        codes += found
        back += decode_block(info, [scales[-1], *found])
    return scales, codes, numpy.array(back).astype(numpy.float32), 1.0


def stochastic_nvfp4(x, bits):
    """The scales are torchao's, and so are the products with them; gfloat rounds what is between."""
    scale = nvfp4_tensor.per_tensor_amax_to_scale(torch.from_numpy(x).abs().max())
    scales = tensor_by_torchao(x, scale)[0]
    per_block = torch.tensor(scales, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
    into, back = ((1.0 / scale) / per_block, scale * per_block)
    spread = lambda values: values.repeat_interleave(16)[: x.size]
    codes = elements_by_gfloat(formats.format_info_ocp_e2m1, (torch.from_numpy(x) * spread(into)).tolist(), bits)
    values = f4_unpacked_to_f32(torch.tensor(codes, dtype=torch.uint8)) * spread(back)
    return scales, codes, values.numpy(), scale.item()


def stochastic_file(rng, each):
    cases = []
    for name in [*FORMATS, "nvfp4"]:
        for i in range(each):
            n = int(rng.integers(1, 100))
            power = int(rng.integers(-60, 60))
            x = numpy.ldexp(rng.standard_normal(n), power + rng.integers(-9, 1, n)).astype(numpy.float32)
            small = {kind: int(rng.integers(0, 2**20)) for kind in ("epoch", "step", "lane")}
            key = {"seed": int(rng.integers(0, 2**49)), **small}
            bits = list(noise(key, n))
            found = stochastic_nvfp4(x, bits) if name == "nvfp4" else stochastic_by_gfloat(x, name, bits)
            scales, codes, back, scale = found
            parts = {"scale": octets(scales), "codes": octets(codes), "back": floats(back)}
            given = {"x": floats(x), "tensor_scale": floats([scale])}
            cases.append({"name": f"{i}, {n} values", "format": name, "key": key, **given, **parts})
    return {"scale": "floor", "rounding": "stochastic", "cases": cases}


# N, input and output channels, height, width, kernel, stride, padding, groups
CONVOLUTIONS = {
    "grouped": (3, 4, 4, 3, 3, 3, 1, 1, 2),
    "depthwise": (2, 3, 3, 3, 3, 3, 2, 1, 3),
    "batch of 35": (35, 3, 2, 1, 1, 1, 1, 0, 1),
    "33 input channels": (2, 33, 2, 1, 1, 1, 1, 0, 1),
    "34 output channels": (2, 2, 34, 1, 1, 1, 1, 0, 1),
}


def convolutions_file(rng, names):
    cases, results = [], {}
    for label, (n, i, o, h, w, k, stride, pad, groups) in CONVOLUTIONS.items():
        x = rng.standard_normal((n, i, h, w)).astype(numpy.float32)
        weight = rng.standard_normal((o, i // groups, k, k)).astype(numpy.float32)
        out = [n, o, *((side + 2 * pad - k) // stride + 1 for side in (h, w))]
        dy = (rng.standard_normal(out) / 1024).astype(numpy.float32)
        tensors = {"x": x, "w": weight, "dy": dy}
        cases.append({
            "name": label, "stride": stride, "pad": pad, "groups": groups,
            **{f"{key}_shape": value.shape for key, value in tensors.items()},
            **{key: floats(value) for key, value in tensors.items()},
        })
        options = {"stride": stride, "padding": pad, "groups": groups}
        for name in names:
            y = functional.conv2d(along(x, 1, name, groups), along(weight, 1, name), **options)
            filters, errors = along(weight, 0, name, groups), along(dy, 1, name, groups)
            dx = grad.conv2d_input(x.shape, filters, errors, **options)
            dw = grad.conv2d_weight(along(x, 0, name), weight.shape, along(dy, 0, name), **options)
            results.setdefault(name, []).append({"y": doubles(y), "dx": doubles(dx), "dw": doubles(dw)})
    return {"scale": "floor", "rounding": "even", "cases": cases, "results": results}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--blocks", type=int, default=2, help="of each kind")
    wish = parser.parse_args()
    rng = numpy.random.default_rng(wish.seed)
    files = {name: blocks_file(rng, name, wish.blocks) for name in FORMATS}
    files["nvfp4"] = tensors_file(rng, 3 * wish.blocks)
    files["conv"] = convolutions_file(rng, [*FORMATS, "nvfp4"])
    files["stochastic"] = stochastic_file(rng, wish.blocks)
    wish.dir.mkdir(parents=True, exist_ok=True)
    for name, doc in files.items():
        (wish.dir / f"{name}.json").write_text(json.dumps(doc, separators=(",", ":")) + "\n")


main()
