"""values.pt, objects.pt, and the same in the layout before 1.6: what torch.load(weights_only=True) takes, and what it does not take. torch 2.13."""
import argparse, collections, datetime, enum, os, pathlib, random, sys
import numpy, torch
from torch import nn

here = os.path.dirname(os.path.abspath(__file__))
w = torch.arange(6.0).reshape(2, 3)
tagged = torch.ones(2)
tagged.note = "a tensor with an attribute"
deep = []
for _ in range(200):
    deep = [deep]
bytes4 = torch.zeros(4, dtype=torch.uint8)
values = {
    "counter": collections.Counter({3: 1}), "bytearray": bytearray(b"abc"), "complex": 1 - 2j, "set": {1}, "deep": deep,
    "keys": {0.5: 1, (0, 1): 2, None: 3, True: 4, (1, ("a",)): 5},
    "dtypes": [torch.uint16, torch.float8_e4m3fn, torch.complex64, torch.bits8, torch.float32], "layout": torch.strided,
    "device": torch.device("cuda:1"), "size": torch.Size([1, 2]), "surrogate": "a\udcffb",
    "buffer": nn.Buffer(torch.ones(3)), "tagged": tagged, "parameter": nn.Parameter(torch.ones(2)),
    "negative": torch.complex(torch.zeros(3), torch.tensor([1.0, 2.0, 3.0])).conj().imag,
    "negative_int": torch._neg_view(torch.tensor([1, -2, 300, 0])),
    "typed": torch.FloatStorage([1, 2, 3]), "untyped": torch.ones(2).untyped_storage(),
    "uint16": torch.ones(2, dtype=torch.uint16), "uint32": torch.ones(2, dtype=torch.uint32), "uint64": torch.ones(2, dtype=torch.uint64),
    "float8_e4m3fn": torch.ones(3).to(torch.float8_e4m3fn), "float8_e5m2": torch.ones(3).to(torch.float8_e5m2),
    "float8_e4m3fnuz": torch.ones(3).to(torch.float8_e4m3fnuz), "float8_e5m2fnuz": torch.ones(3).to(torch.float8_e5m2fnuz),
    "float8_e8m0fnu": torch.ones(3).to(torch.float8_e8m0fnu), "float4_e2m1fn_x2": bytes4.view(torch.float4_e2m1fn_x2),
    "complex32": torch.ones(2, dtype=torch.complex32), "complex64": torch.ones(2, 3, dtype=torch.complex64),
    "complex128": torch.ones(2, dtype=torch.complex128).conj(),
    "bits8": bytes4.view(torch.bits8), "bits16": torch.zeros(2, dtype=torch.uint16).view(torch.bits16),
    "sparse": w.to_sparse(), "csr": w.to_sparse_csr(), "quantised": torch.quantize_per_tensor(w, 0.1, 0, torch.quint8),
    "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "meta": torch.ones(2, 3, device="meta"),
    "expanded": torch.zeros(1).expand(5000, 5000),
}


class Thing:
    def __init__(self):
        self.a, self.t = 1, torch.ones(3)


class Colour(enum.Enum):
    RED = 1


class Config(dict):
    pass


objects = {
    "args": argparse.Namespace(lr=0.1), "numpy_state": numpy.random.get_state(), "python_state": random.getstate(),
    "generator": numpy.random.default_rng(1), "array": numpy.eye(3), "text": numpy.str_("a"), "half": numpy.float16(1.5),
    "when": datetime.datetime(2024, 1, 1), "where": pathlib.PurePosixPath("a/b"), "history": collections.defaultdict(list, {"a": [1]}),
    "queue": collections.deque([1, 2]), "thing": Thing(), "colour": Colour.RED, "by_colour": {Colour.RED: 1}, "config": Config(a=1),
    "class": nn.ReLU, "module": nn.Linear(2, 2), "function": nn.functional.relu, "range": range(3), "big": 2**3000, "error": ValueError("x"),
}
for name, content in (("values", values), ("objects", objects)):
    content = {"state_dict": {"w": w}, **content}
    torch.save(content, f"{here}/{name}.pt")
    torch.save(content, f"{here}/{name}-protocol5.pt", pickle_protocol=5)
    torch.save(content, f"{here}/{name}-legacy.pt", _use_new_zipfile_serialization=False)
torch.save({"state_dict": {"w": w.to(torch.float8_e5m2)}}, f"{here}/float8-weights.pt")
