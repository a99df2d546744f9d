#!/usr/bin/env bash
# Prune the ticket drawn at p = 30 % out of the search. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird prune \
  --dataset imagenet \
  --arch resnet18 \
  --test-batch-size 128 \
  --percent 0.3 \
  --model baseline/resnet18-imagenet/EB-30-11.pth.tar \
  --save baseline/resnet18-imagenet/pruned_3011_0.3 \
  "$@"
