"""Makes test/cases/checkpoints/tools: one narrow VGG-11 as several tools save it, and a TorchScript program.

    pip install torch==2.13.0 lightning==2.6.6 accelerate==1.15.0 safetensors==0.8.0 numpy
    torchrun --nproc-per-node 2 scripts/golden/checkpoints/make.py
"""
import os
import pathlib
import shutil
import warnings

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

warnings.simplefilter("ignore")
OUT = pathlib.Path(__file__).resolve().parents[3] / "test" / "cases" / "checkpoints" / "tools"
CFG = [3, "M", 4, "M", 3, 4, "M", 4, 3, "M", 4, 3]


class VGG(nn.Module):
    def __init__(self):
        super().__init__()
        layers, width = [], 3
        for entry in CFG:
            if entry == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(width, entry, 3, padding=1, bias=False), nn.BatchNorm2d(entry), nn.ReLU()]
            width = entry
        self.feature = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, 5)

    def forward(self, images):
        return self.classifier(nn.functional.avg_pool2d(self.feature(images), 2).flatten(1))


def network():
    torch.manual_seed(7)
    net = VGG()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.1, 1)
    return net


def step(net):
    sgd = torch.optim.SGD(net.classifier.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(2, 3, 32, 32)).square().sum().backward()
    sgd.step()
    return sgd


def distributed(rank):
    """FSDP 2 with the optimiser of its last layer, and a few tensors in blocks of two dimensions."""
    net = network()
    fully_shard(net, mesh=init_device_mesh("cpu", (2,)))
    model, optimiser = get_state_dict(net, step(net))
    dcp.save({"app": {"model": model, "optimizer": optimiser, "epoch": 3}}, checkpoint_id="fsdp")
    torch.manual_seed(8)
    full = {"rows": torch.randn(5, 3), "columns": torch.randn(2, 5, 2), "half": torch.randn(3, 2).bfloat16()}
    mesh = init_device_mesh("cpu", (2,))
    where = {"rows": [Shard(0)], "columns": [Shard(1)], "half": [Replicate()]}
    tensors = {key: distribute_tensor(tensor, mesh, where[key]) for key, tensor in full.items()}
    others = {"none": None, "empty": torch.zeros(0, 3), "scalar": torch.tensor(2.5), "complex": torch.zeros(2, dtype=torch.complex64)}
    dcp.save({"tensors": tensors, **others, "list": [1, {"x": torch.ones(2)}, "text"]}, checkpoint_id="blocks")
    if rank == 0:
        torch.save(full, "blocks.pt")


def one_process():
    import accelerate
    import lightning

    net = network()
    step(net)
    torch.save({"state_dict": net.state_dict(), "cfg": CFG}, "plain.pth.tar")
    accelerator = accelerate.Accelerator(cpu=True)
    accelerator.save_model(net, "shards", max_shard_size="2KB")
    accelerator.save_model(net, "bins", max_shard_size="3KB", safe_serialization=False)

    class Module(lightning.LightningModule):
        def __init__(self, milestones=(80, 120)):
            super().__init__()
            self.save_hyperparameters()
            self.student = net
            self.register_buffer("seen", torch.zeros(3))

    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(Module())
    trainer.save_checkpoint("lightning.ckpt", weights_only=True)
    torch.jit.script(nn.Sequential(nn.Linear(2, 2))).save("script.pt")


dist.init_process_group("gloo")
rank = dist.get_rank()
if rank == 0:
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
dist.barrier()
os.chdir(OUT)  # the names of folders stand in the files
distributed(rank)
dist.destroy_process_group()
if rank == 0:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(name, None)
    one_process()
