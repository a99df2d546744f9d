#!/usr/bin/env bash
# Prune the ticket that search.sh drew at p = 30 %. Further flags win over these; another ratio needs --model too.
# The reference prunes EB-30-11.pth.tar into pruned_3011_0.3.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"
find_ticket baseline/resnet18-imagenet 30 "$@"

earlybird prune \
  --dataset imagenet \
  --arch resnet18 \
  --test-batch-size 128 \
  --percent 0.3 \
  --save baseline/resnet18-imagenet/pruned_0.3 \
  "${ticket[@]}" \
  "$@"
