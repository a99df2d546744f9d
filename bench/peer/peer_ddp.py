"""The tuned training step on several ranks, by PyTorch's DistributedDataParallel over Gloo, or NCCL on GPUs.

Takes the options of peer_train.py; --batch is that of all ranks. torchrun, or RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT by
hand, say which ranks there are. Rank 0 writes the record.
"""
import os
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from peer_common import environment, peak_memory_mib, use_device
from peer_models import INPUT_SIZE, Select, build
from peer_record import write
from peer_train import arguments, read_cfg, tuned_source, tuned_training


def meet(device):
    """Waits for all ranks, and for what they have queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    dist.barrier()


def main():
    args = arguments()
    whole = args.batch
    on_gpu = args.device.startswith("cuda")
    device = use_device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if on_gpu else args.device, args.threads)
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    args.batch = whole // ranks + (rank < whole % ranks)
    args.mode = "tuned"
    torch.manual_seed(1)
    model = build(args.model, read_cfg(args.cfg), args.classes).to(device, memory_format=torch.channels_last).train()
    for m in model.modules():
        if isinstance(m, Select):  # its vector takes no part in training, and DDP waits for all parameters that do
            m.indexes.requires_grad_(False)
    network = DistributedDataParallel(model)
    size = INPUT_SIZE[args.model]
    source, data = tuned_source(args, size, device)
    step, _, _, _ = tuned_training(args, network, source, size, device)

    def fed_step():
        source.feed()
        step()

    for _ in range(args.warmup):
        fed_step()
    meet(device)
    begin = time.perf_counter()
    for _ in range(args.steps):
        fed_step()
    meet(device)
    seconds = time.perf_counter() - begin
    if rank == 0:
        write({
            "script": "peer_ddp", "model": args.model, "mode": "ddp", **environment(device), "dtype": args.dtype, "data": data,
            "ranks": ranks, "batch": whole, "steps": args.steps, "warmup": args.warmup, "window_s": round(seconds, 3),
            "images_per_s_wall": round(whole * args.steps / seconds, 4),
            "peak_mib": {k: round(v, 1) for k, v in peak_memory_mib(device).items()},
        }, args.json)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
