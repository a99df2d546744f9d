"""Data of the training peer: CIFAR's binary files, folders of images, batches kept on the device and streamed ones."""
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from peer_images import SIZE, crop_box, image_files

try:
    from PIL import Image
except ImportError:
    Image = None

STATISTICS = {  # mean, std
    32: ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    224: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def read_cifar_bin(path):
    """CIFAR-10 or CIFAR-100 in the binary layout: label byte(s), then 3072 bytes per image. Gives NHWC uint8."""
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob("data_batch_*.bin")) or sorted(path.glob("train.bin"))
    if not files:
        raise SystemExit(f"no data_batch_*.bin or train.bin in {path}: give the unpacked binary version of CIFAR")
    raw = torch.frombuffer(bytearray(b"".join(f.read_bytes() for f in files)), dtype=torch.uint8)
    row = 3073 if len(raw) % 3073 == 0 else 3074  # CIFAR-100 rows hold a coarse and a fine label
    raw = raw.view(-1, row)
    images = raw[:, -3072:].reshape(-1, 3, 32, 32).permute(0, 2, 3, 1).contiguous()
    return images, raw[:, row - 3073].long()


def list_folder(path):
    """Files and labels: class folders under PATH/train or PATH; in a flat folder the class is the name up to '_'."""
    root = Path(path) / "train" if (Path(path) / "train").is_dir() else Path(path)
    files = image_files(root, (".jpg", ".jpeg", ".png"))
    if Image is None:
        raise SystemExit("--dataset imagefolder needs Pillow: pip install pillow")
    names = [f.name.split("_")[0] if f.parent == root else f.relative_to(root).parts[0] for f in files]
    index = {name: i for i, name in enumerate(sorted(set(names)))}
    return files, torch.tensor([index[n] for n in names])


def open_rgb(path):
    with Image.open(path) as image:
        return image.convert("RGB")


def pixels(image):
    """PIL image -> HWC uint8 tensor."""
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 3)


def load_arrays(args, size):
    """The whole training set as NHWC uint8 and labels, or None where it has to be streamed from files."""
    kind, *path = args.dataset
    if kind == "synthetic":
        count = 50_000 if size == 32 else max(1024, args.batch)
        classes = args.classes or (10 if size == 32 else 1000)
        return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8), torch.randint(0, classes, (count,))
    if kind == "cifar-bin":
        return read_cifar_bin(path[0])
    if size == 32:
        files, labels = list_folder(path[0])
        return torch.stack([pixels(open_rgb(f)) for f in files]), labels
    return None


def resized_crop(image):
    """HWC uint8, 224x224; the random flip and the normalisation are left to the device."""
    return pixels(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=crop_box(*image.size), reducing_gap=2.0))


class Pictures(Dataset):
    """Items are files or HWC uint8 tensors; each goes through `transform` on its own."""

    def __init__(self, items, labels, transform):
        self.items, self.labels, self.transform = items, labels, transform

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        item = self.items[i]
        return self.transform(open_rgb(item) if isinstance(item, Path) else item), self.labels[i]


def endless(loader):
    while True:
        yield from loader


class Resident:
    """The data set as uint8 NHWC on the device. feed() picks indices; batch() crops and flips with one gather, and zeroes what the
    crop has beyond the image: padded images would take half as much memory again."""

    def __init__(self, images, labels, batch, pad, device):
        self.size, self.pad, self.count = images.shape[1], pad, len(images)
        self.images = images.to(device)
        self.labels = labels.to(device)
        self.grid = torch.arange(self.size, device=device)
        self.pick = torch.zeros(batch, dtype=torch.long, device=device)
        self.at = self.count  # forces a shuffle at the first feed

    def feed(self):
        batch = len(self.pick)
        if self.at + batch > self.count:
            self.order, self.at = torch.randperm(self.count, device=self.pick.device), 0
        self.pick.copy_(self.order[self.at:self.at + batch])
        self.at += batch

    def epoch(self):
        """Feeds every image once, the last batch with what is left; yields whether a batch is full."""
        full, order = self.pick, torch.randperm(self.count, device=self.pick.device)
        for part in order.split(len(full)):
            if len(part) == len(full):
                full.copy_(part)
            else:
                self.pick = part
            yield self.pick is full
        self.pick = full

    def batch(self):
        count, device = len(self.pick), self.pick.device
        top, left = torch.randint(0, 2 * self.pad + 1, (2, count, 1), device=device)
        flip = torch.rand(count, 1, device=device) < 0.5
        rows = top + self.grid - self.pad
        columns = left + torch.where(flip, self.size - 1 - self.grid, self.grid) - self.pad
        last = self.size - 1
        x = self.images[self.pick[:, None, None], rows.clamp(0, last)[:, :, None], columns.clamp(0, last)[:, None, :]]
        if self.pad:
            inside = [(at >= 0) & (at <= last) for at in (rows, columns)]
            x = x * (inside[0][:, :, None] & inside[1][:, None, :])[..., None]
        return x.permute(0, 3, 1, 2), self.labels[self.pick]  # NCHW view of NHWC memory = channels_last


class Streamed:
    """Files decoded and cropped by worker processes; uint8 crosses to the device, which flips."""

    def __init__(self, files, labels, batch, workers, device):
        loader = DataLoader(Pictures(files, labels, resized_crop), batch, shuffle=True, drop_last=True,
                            num_workers=workers, pin_memory=device.type == "cuda", persistent_workers=workers > 0)
        self.batches = endless(loader)
        self.x = torch.zeros(batch, 224, 224, 3, dtype=torch.uint8, device=device)
        self.y = torch.zeros(batch, dtype=torch.long, device=device)

    def feed(self):
        x, y = next(self.batches)
        self.x.copy_(x, non_blocking=True)
        self.y.copy_(y, non_blocking=True)

    def batch(self):
        flip = torch.rand(len(self.y), 1, 1, 1, device=self.x.device) < 0.5
        return torch.where(flip, self.x.flip(2), self.x).permute(0, 3, 1, 2), self.y
