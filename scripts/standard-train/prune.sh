#!/usr/bin/env bash
# Prune the ticket that search.sh drew at p = 30 %. Further flags win over these; another ratio needs --model too.
# The reference prunes EB-30-35.pth.tar into pruned_3035_0.3.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"
find_ticket baseline/vgg16-cifar100 30 "$@"

earlybird prune \
  --dataset cifar100 \
  --arch vgg \
  --depth 16 \
  --test-batch-size 256 \
  --percent 0.3 \
  --save baseline/vgg16-cifar100/pruned_0.3 \
  "${ticket[@]}" \
  "$@"
