#!/usr/bin/env bash
# torch 2.13.0, Gloo: all_reduce with ReduceOp.MAX loses a NaN unless rank 0 has it.
# Expected: the result is NaN where any rank has a NaN, as torch.maximum and Tensor.max give it.
# Seen: with the NaN on rank 1 every rank gets the largest number; with the NaN on rank 0 every rank gets NaN. MIN is alike.
# Met when ranks were to tell each other whether the loss of one of them is no longer finite: a sum does it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$folder/ranks.py" <<'PYTHON'
import math

import torch
import torch.distributed as dist
import torch.multiprocessing as processes


def rank_of(rank, port, seen):
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    results = {}
    for name in ("MAX", "MIN", "SUM"):
        for holder in (0, 1):
            value = torch.tensor([math.nan if rank == holder else 1.0])
            dist.all_reduce(value, getattr(dist.ReduceOp, name))
            results[name, holder] = value.item()
    seen[rank] = results
    dist.destroy_process_group()


if __name__ == "__main__":
    print("torch", torch.__version__)
    with processes.Manager() as manager:
        seen = manager.dict()
        processes.spawn(rank_of, args=(29618, seen), nprocs=2)
        for (name, holder), value in seen[0].items():
            print(f"{name}, NaN on rank {holder}: {value} on rank 0, {seen[1][name, holder]} on rank 1")
        for name in ("MAX", "MIN"):
            assert all(math.isnan(seen[rank][name, 0]) for rank in (0, 1))
            assert all(seen[rank][name, 1] == 1.0 for rank in (0, 1)), "NaN of rank 1 counts now"
        assert all(math.isnan(seen[rank]["SUM", holder]) for rank in (0, 1) for holder in (0, 1))
PYTHON
"$folder/venv/bin/python" -W ignore "$folder/ranks.py"
echo 'as described: MAX and MIN lose the NaN of rank 1'
