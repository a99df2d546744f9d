#!/usr/bin/env bash
# Prune the ticket that search.sh drew at p = 70 %. Further flags win over these; another ratio needs --model too.
# The reference prunes EB-70-8.pth.tar into pruned_7008_0.7.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"
find_ticket baseline/resnet50-imagenet 70 "$@"

earlybird prune \
  --dataset imagenet \
  --arch resnet50_official \
  --test-batch-size 128 \
  --percent 0.7 \
  --save baseline/resnet50-imagenet/pruned_0.7 \
  "${ticket[@]}" \
  "$@"
