#!/usr/bin/env bash
# Prune the ticket drawn at p = 30 % out of the search. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird prune \
  --dataset cifar100 \
  --arch vgg \
  --depth 16 \
  --test-batch-size 256 \
  --percent 0.3 \
  --model baseline/vgg16-cifar100/EB-30-35.pth.tar \
  --save baseline/vgg16-cifar100/pruned_3035_0.3 \
  "$@"
