#!/usr/bin/env bash
# Distance of the masks of every two epochs of the search: overlap_0.5.npy. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird distance \
  --dataset cifar100 \
  --arch vgg \
  --depth 16 \
  --start_epoch 1 \
  --end_epoch 160 \
  --percent 0.5 \
  --save baseline/vgg16-cifar100 \
  "$@"
