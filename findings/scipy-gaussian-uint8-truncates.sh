#!/usr/bin/env bash
# scipy 1.17.1: ndimage.gaussian_filter of a constant 8-bit image gives a darker one, for some sigmas only.
# Expected: a blur of a constant image is the same image (the weights sum to 1), at most one level off by rounding.
# Seen: with sigma 3.3 a white image (255) becomes 252 and an image of ones becomes black; with sigma 3 and 4 both stay.
# The sum of the normalised weights is then just below 1, and each of the three axes is cut to whole numbers instead of
# rounded, so that each takes a level. A reimplementation has the same pixels only with the same order of summation.
# Met when the low-pass filter of the reference was held against scipy at other sigmas.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy
import scipy
from scipy.ndimage import gaussian_filter

print("scipy", scipy.__version__, "NumPy", numpy.__version__)
seen = {}
for sigma in (1.0, 3.0, 3.3, 4.0):
    for value in (1, 200, 255):
        image = numpy.full((32, 32, 3), value, numpy.uint8)
        levels = sorted(set(gaussian_filter(image, sigma).ravel().tolist()))
        exact = gaussian_filter(image.astype(numpy.float64), sigma)
        print(f"sigma {sigma}, constant {value}: uint8 {levels}, float64 from {exact.min()!r} to {exact.max()!r}")
        assert abs(exact - value).max() < 1e-9
        seen[sigma, value] = levels
assert all(seen[sigma, value] == [value] for sigma in (1.0, 3.0, 4.0) for value in (1, 200, 255)), "another sigma darkens"
assert (seen[3.3, 1], seen[3.3, 200], seen[3.3, 255]) == ([0], [197], [252]), "scipy no longer darkens at sigma 3.3"
PYTHON
echo 'as described: a constant image gets darker at sigma 3.3'
