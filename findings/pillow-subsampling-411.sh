#!/usr/bin/env bash
# Pillow 13.0.0: Image.save(..., subsampling="4:1:1") writes 4:2:0.
# Expected: luminance sampled 4x1 against the chroma planes, which is what 4:1:1 means and what libjpeg-turbo can write.
# Seen: 2x2, the file that subsampling="4:2:0" gives, byte for byte, and no warning. A comment in Pillow's source says that
# the name is kept for callers written for releases before 4.3.
# Met when a test image meant to be 4:1:1 tested 4:2:0 twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io

import PIL
from PIL import Image

image = Image.linear_gradient("L").convert("RGB")


def encode(subsampling):
    data = io.BytesIO()
    image.save(data, "JPEG", subsampling=subsampling)
    data.seek(0)
    # (component, horizontal factor, vertical factor, table)
    return data.getvalue(), Image.open(data).layer


print("Pillow", PIL.__version__)
written = {name: encode(name) for name in ("4:4:4", "4:2:2", "4:2:0", "4:1:1")}
for name, (_, layers) in written.items():
    print(name, "luminance is sampled {}x{}".format(*layers[0][1:3]))
assert written["4:1:1"][1][0][1:3] == (2, 2), "4:1:1 is no longer 4:2:0"
assert written["4:1:1"][0] == written["4:2:0"][0]
PYTHON
echo 'as described: "4:1:1" writes 4:2:0'
