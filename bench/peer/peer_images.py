"""Image files and the random resized crop, for the loader peer and the training peer; needs no PyTorch."""
import math
import random
from pathlib import Path

SIZE = 224


def image_files(folder, suffixes=(".jpg", ".jpeg")):
    files = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in suffixes)
    if not files:
        raise SystemExit(f"no {' or '.join(suffixes)} files under {folder}")
    return files


def crop_box(width, height):
    """(left, top, right, bottom) of a random crop as torchvision draws it: 8 to 100 % of the area at aspect 3/4 to 4/3;
    after ten misses the largest centred box of legal aspect."""
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            x, y = random.randint(0, width - w), random.randint(0, height - h)
            return x, y, x + w, y + h
    w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    x, y = (width - w) // 2, (height - h) // 2
    return x, y, x + w, y + h
