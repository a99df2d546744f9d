#!/usr/bin/env bash
# Prune the ticket drawn at p = 70 % out of the search. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird prune \
  --dataset imagenet \
  --arch resnet50_official \
  --test-batch-size 128 \
  --percent 0.7 \
  --model baseline/resnet50-imagenet/EB-70-8.pth.tar \
  --save baseline/resnet50-imagenet/pruned_7008_0.7 \
  "$@"
