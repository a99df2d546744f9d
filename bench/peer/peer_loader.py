"""Image loading in Python: decode a JPEG file, random resized crop to 224, random flip, uint8.

  pillow       Pillow decodes the whole image: torchvision's default loader and transform
  draft        Pillow with libjpeg's scaled decoding, as a careful user adds it
  torchvision  torchvision.io.decode_jpeg and torchvision.transforms.v2 on uint8 tensors
  simplejpeg   simplejpeg with scaled decoding; Pillow resizes
  dali         NVIDIA DALI's pipeline on the CPU: fused decoding and cropping

One run measures one mode. A process computes on one thread and stands for one core. The record of a mode
whose package is not installed has the reason in `absent` instead of figures.
"""
import argparse
import importlib
import math
import multiprocessing
import os
import random
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from peer_images import SIZE, crop_box, image_files
from peer_record import write

DALI_BATCH = 64


# A mode is a function of the files that returns a function: one pass over them, which returns how many images it made.

def for_each(load):
    return lambda files: lambda: sum(load(path) is not None for path in files)


def flipped(image):
    from PIL import Image
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image


def resized(image, box):
    from PIL import Image
    return flipped(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)).tobytes()


def least_size(full, box):
    """The size of the whole image at which the crop still has SIZE pixels a side."""
    return tuple(max(1, SIZE * full[i] // (box[i + 2] - box[i])) for i in (0, 1))


def scaled_box(full, size, box):
    return tuple(v * size[i % 2] / full[i % 2] for i, v in enumerate(box))


def pillow(path):
    from PIL import Image
    with Image.open(path) as image:
        return resized(image.convert("RGB"), crop_box(*image.size))


def draft(path):
    from PIL import Image
    with Image.open(path) as image:
        full, box = image.size, crop_box(*image.size)
        image.draft("RGB", least_size(full, box))
        return resized(image.convert("RGB"), scaled_box(full, image.size, box))


def simplejpeg(path):
    from PIL import Image
    from simplejpeg import decode_jpeg, decode_jpeg_header
    data = path.read_bytes()
    height, width = decode_jpeg_header(data, strict=False)[:2]
    box = crop_box(width, height)
    least_width, least_height = least_size((width, height), box)
    # Not strict: the other decoders take recoverable errors too.
    pixels = decode_jpeg(data, min_height=min(height, least_height), min_width=min(width, least_width), strict=False)
    image = Image.fromarray(pixels)
    return resized(image, scaled_box((width, height), image.size, box))


def torchvision(files):
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms import v2
    torch.set_num_threads(1)
    transform = v2.Compose([v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip()])
    return for_each(lambda path: transform(decode_jpeg(read_file(str(path)), mode=ImageReadMode.RGB)))(files)


def dali(files):
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(batch_size=min(DALI_BATCH, len(files)), num_threads=1, device_id=None, seed=random.randrange(2**31))
    def pipeline():
        data, _ = fn.readers.file(files=[str(path) for path in files], name="files")
        images = fn.decoders.image_random_crop(data, device="cpu", output_type=types.RGB, random_area=[0.08, 1.0],
                                               random_aspect_ratio=[3 / 4, 4 / 3])
        images = fn.resize(images, size=[SIZE, SIZE], interp_type=types.INTERP_LINEAR, antialias=True)
        return fn.flip(images, horizontal=fn.random.coin_flip())

    built = pipeline()
    built.build()
    # The last batch of a pass is filled up with the first files of the next one.
    batches = math.ceil(len(files) / min(DALI_BATCH, len(files)))
    return lambda: sum(len(built.run()[0]) for _ in range(batches))


MODES = {  # mode: pass, the modules it needs; the first names its version
    "pillow": (for_each(pillow), ["PIL"]),
    "draft": (for_each(draft), ["PIL"]),
    "torchvision": (torchvision, ["torchvision", "torchvision.io"]),
    "simplejpeg": (for_each(simplejpeg), ["simplejpeg", "PIL"]),
    "dali": (dali, ["nvidia.dali"]),
}


def version_of(mode):
    """(version, None), or (None, why the mode cannot run here)."""
    try:
        return [importlib.import_module(name) for name in MODES[mode][1]][0].__version__, None
    except Exception as error:  # not installed, or built for another release of what it needs
        return None, f"{type(error).__name__}: {error}"


def rates(files, mode, passes, seed):
    """Images per second of a process, medians of the passes: by the clock, and per core."""
    random.seed(seed)
    one_pass = MODES[mode][0](files)
    timed = []
    for _ in range(passes + 1):
        start, busy = time.perf_counter(), time.process_time()
        images = one_pass()
        wall, busy = time.perf_counter() - start, time.process_time() - busy
        timed.append((images / wall, images / max(wall, busy)))  # helper threads of a library count as cores
    return [statistics.median(column) for column in zip(*timed[1:])]  # the first pass warms the page cache


def measure(files, mode, processes, passes):
    # A fork would not carry over the threads of DALI and PyTorch.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        walls, cores = zip(*pool.map(partial(rates, files, mode, passes), range(processes)))
    return {"images_per_s": sum(walls), "images_per_s_per_core": statistics.mean(cores)}


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder with JPEG files, searched recursively")
    parser.add_argument("--mode", choices=MODES, default="pillow")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--passes", type=int, default=3, help="timed passes over the files, after an untimed one")
    parser.add_argument("--json", help="where to write the record")
    return parser.parse_args(words)


def main():
    args = arguments()
    files = image_files(args.folder)
    record = {"script": "peer_loader", "mode": args.mode, "processes": args.processes, "files": len(files),
              "cpus": os.cpu_count()}
    version, absent = version_of(args.mode)
    if absent:
        record |= {"absent": absent}
    else:
        record |= {"version": version, **measure(files, args.mode, args.processes, args.passes)}
    write(record, args.json)


if __name__ == "__main__":
    main()
