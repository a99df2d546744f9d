"""Shared by the PyTorch peers: timing, energy, whole-step CUDA graphs, and what a record says of the machine."""
import contextlib
import resource
import shutil
import statistics
import subprocess
import threading
import time

import torch


def synchronise(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


class Clock:
    """Time between tick() calls without a host sync: CUDA events on a GPU, the host clock otherwise."""

    def __init__(self, device):
        self.device, self.ticks = device, []

    def tick(self):
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.ticks.append(event)
        else:
            self.ticks.append(time.perf_counter())

    def milliseconds(self):
        synchronise(self.device)
        pairs = zip(self.ticks, self.ticks[1:])
        if self.device.type == "cuda":
            return [a.elapsed_time(b) for a, b in pairs]
        return [1000 * (b - a) for a, b in pairs]


def time_calls(fn, device, reps=20, warmup=3):
    """Milliseconds of each of `reps` calls of fn()."""
    for _ in range(warmup):
        fn()
    synchronise(device)
    clock = Clock(device)
    clock.tick()
    for _ in range(reps):
        fn()
        clock.tick()
    return clock.milliseconds()


def summary(values):
    values = sorted(values)

    def at(q):
        return values[min(len(values) - 1, int(q * len(values)))]

    return {"median": round(statistics.median(values), 5), "p10": round(at(0.1), 5), "p90": round(at(0.9), 5),
            "n": len(values)}


class Energy:
    """Joules of the whole board over a `with` block, by NVML's counter, else by polled nvidia-smi power, else None.

    The counter moves about ten times a second: use windows of several seconds.
    """

    def __init__(self, device):
        self.device, self.source, self.joules, self.seconds = device, None, None, None
        if device.type != "cuda":
            return
        self.uuid = "GPU-" + str(torch.cuda.get_device_properties(device).uuid).removeprefix("GPU-")
        try:
            import pynvml
            pynvml.nvmlInit()
            self.handle = pynvml.nvmlDeviceGetHandleByUUID(self.uuid)
            self.counter = lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1000
            self.counter()
            self.source = "nvml counter"
        except Exception:  # no pynvml, or a board without the counter
            self.source = "nvidia-smi power" if shutil.which("nvidia-smi") else None

    def _poll(self):
        query = ["nvidia-smi", "-i", self.uuid, "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
        while not self.stop.wait(0.1):
            with contextlib.suppress(ValueError, OSError):
                self.watts.append(float(subprocess.run(query, capture_output=True, text=True).stdout))

    def __enter__(self):
        synchronise(self.device)
        if self.source == "nvidia-smi power":
            self.watts, self.stop = [], threading.Event()
            self.thread = threading.Thread(target=self._poll, daemon=True)
            self.thread.start()
        elif self.source:
            self.before = self.counter()
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_):
        synchronise(self.device)
        self.seconds = time.perf_counter() - self.start
        if self.source == "nvidia-smi power":
            self.stop.set()
            self.thread.join()
            self.joules = statistics.mean(self.watts) * self.seconds if self.watts else None
        elif self.source:
            self.joules = self.counter() - self.before


def capture_step(step, feed, optimizer):
    """Records step() as one CUDA graph and returns its replay; feed() fills the step's input buffers outside it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # compilation, cuDNN's search and the momentum buffers happen here
            feed()
            step()
    torch.cuda.current_stream().wait_stream(side)
    optimizer.zero_grad(set_to_none=True)  # the graph gets gradients of its own
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def use_device(text, threads=None):
    if threads:
        torch.set_num_threads(threads)
    device = torch.device(text)
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
        torch.cuda.set_device(device)
    return device


def environment(device):
    record = {"torch": torch.__version__, "device": device.type, "threads": torch.get_num_threads(),
              "float32_matmul": torch.get_float32_matmul_precision()}
    if device.type == "cuda":
        record |= {"device_name": torch.cuda.get_device_name(device), "cuda": torch.version.cuda,
                   "cudnn": torch.backends.cudnn.version(), "cudnn_tf32": torch.backends.cudnn.allow_tf32}
    else:
        with contextlib.suppress(OSError, StopIteration):
            line = next(l for l in open("/proc/cpuinfo") if l.startswith("model name"))
            record["device_name"] = line.split(":", 1)[1].strip()
    return record


def peak_memory_mib(device):
    if device.type == "cuda":
        return {"allocated": torch.cuda.max_memory_allocated() / 2**20,
                "reserved": torch.cuda.max_memory_reserved() / 2**20}
    return {"resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
