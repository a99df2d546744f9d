#!/usr/bin/env bash
# simplejpeg 1.9.0: decode_jpeg() of a CMYK file gives RGB values one level too high.
# Expected: R = C * K / 255 of the stored (inverted) values, rounded, as Pillow gives it: full cyan has no red.
# Seen: red 1 for full cyan, 150 for 148.92, while white stays 255. Both libraries read the same CMYK values, so the
# conversion differs, not the decoding.
# Met when the decoders of a loader benchmark were checked against each other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check simplejpeg==1.9.0 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io

import PIL
import simplejpeg
from PIL import Image

print("simplejpeg", simplejpeg.__version__, "Pillow", PIL.__version__)
seen = []
for cmyk in ((0, 0, 0, 0), (255, 0, 0, 0), (100, 50, 200, 10)):
    file = io.BytesIO()
    Image.new("CMYK", (16, 16), cmyk).save(file, "JPEG", quality=100)
    data = file.getvalue()
    stored = [int(v) for v in simplejpeg.decode_jpeg(data, colorspace="CMYK")[0, 0]]
    exact = [round(v * stored[3] / 255, 2) for v in stored[:3]]
    pillow = list(Image.open(io.BytesIO(data)).convert("RGB").getpixel((0, 0)))
    decoded = [int(v) for v in simplejpeg.decode_jpeg(data)[0, 0]]
    print(f"stored {stored}: exact {exact}, Pillow {pillow}, simplejpeg {decoded}")
    assert pillow == [round(v) for v in exact]
    seen.append(decoded)
assert seen == [[255, 255, 255], [1, 255, 255], [150, 198, 54]], "simplejpeg's conversion has changed"
PYTHON
echo 'as described: simplejpeg converts CMYK one level too high'
