#!/usr/bin/env bash
# Distance of the masks of every two epochs of search.sh, from the first on: overlap_0.5.npy.
# Further flags win over these.
# The reference also says --end_epoch 160, which is the last there is.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird distance \
  --dataset cifar100 \
  --arch vgg \
  --depth 16 \
  --start_epoch 1 \
  --percent 0.5 \
  --save baseline/vgg16-cifar100 \
  "$@"
