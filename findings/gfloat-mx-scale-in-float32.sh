#!/usr/bin/env bash
# gfloat 0.5.2: the shared scale of an MX block depends on the element type of the array, for one and the same values.
# Expected: the scale of the OCP specification, 2^(floor(log2(largest)) - emax), which is that of the power of two below.
# Seen: where the largest magnitude is the last float32 below 8 or below a higher power of two, float32 arrays get the next scale,
# twice as large: log2 of it rounds to a whole number in float32. float64 arrays get the right one.
# Met when blocks from several packages were compared bit by bit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet gfloat==0.5.2 numpy
python/bin/python - <<'PYTHON' | tee seen
import numpy
from gfloat import compute_scale_amax

emax = 8  # of e4m3
for power in (1, 3, 10):
    below = numpy.full(32, numpy.nextafter(numpy.float32(2**power), numpy.float32(0)), dtype=numpy.float32)
    scales = [float(compute_scale_amax(emax, below.astype(kind))) for kind in (numpy.float32, numpy.float64)]
    print(f"just below 2^{power}: float32 array 2^{numpy.log2(scales[0]):g}, float64 array 2^{numpy.log2(scales[1]):g}")
PYTHON
diff seen - <<'SEEN'
just below 2^1: float32 array 2^-8, float64 array 2^-8
just below 2^3: float32 array 2^-5, float64 array 2^-6
just below 2^10: float32 array 2^2, float64 array 2^1
SEEN
echo 'as described: the scale is twice as large'
