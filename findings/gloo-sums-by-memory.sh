#!/usr/bin/env bash
# torch 2.13.0, Gloo: all_reduce of a tensor that is channels_last on one rank and contiguous on another adds other elements
# to each other, without an error.
# Expected: elements of equal index are added, as everywhere else in PyTorch, or the call is refused.
# Seen: elements of equal place in memory are added; sizes and types are compared with nobody, strides neither.
# Met when gradients of channels_last networks were summed over ranks: all ranks must lay their parameters out alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$folder/ranks.py" <<'PYTHON'
import torch
import torch.distributed as dist
import torch.multiprocessing as processes


def rank_of(rank, port, seen):
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    values = torch.arange(8.0).reshape(1, 2, 2, 2)
    mixed = values.to(memory_format=torch.channels_last) if rank == 1 else values.clone()
    dist.all_reduce(mixed)
    same = values.to(memory_format=torch.channels_last).clone(memory_format=torch.preserve_format)
    dist.all_reduce(same)
    seen[rank] = (mixed.flatten().tolist(), same.flatten().tolist())
    dist.destroy_process_group()


if __name__ == "__main__":
    print("torch", torch.__version__)
    with processes.Manager() as manager:
        seen = manager.dict()
        processes.spawn(rank_of, args=(29617, seen), nprocs=2)
        right = [2.0 * i for i in range(8)]
        for rank in (0, 1):
            print(f"rank {rank}: other layouts {seen[rank][0]}, the same layout {seen[rank][1]}; right: {right}")
        assert all(seen[rank][1] == right for rank in (0, 1))
        assert all(seen[rank][0] != right for rank in (0, 1)), "layouts are respected now"
PYTHON
"$folder/venv/bin/python" -W ignore "$folder/ranks.py"
echo 'as described: with other strides on one rank the sums are wrong on both, without an error'
