#!/usr/bin/env bash
# Prune the ticket that search.sh drew at p = 30 %; --protective keeps a tenth of every layer.
# Further flags win over these; another ratio needs --model too.
# The reference prunes EB-30-32.pth.tar into lp_pruned_3032_0.3.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"
find_ticket baseline/lp_vgg16-cifar10 30 "$@"

earlybird prune \
  --dataset cifar10 \
  --depth 16 \
  --test-batch-size 256 \
  --percent 0.3 \
  --save baseline/lp_vgg16-cifar10/lp_pruned_0.3 \
  --wl-weight 8 \
  --wl-activate 8 \
  --wl-grad 8 \
  --wl-error 8 \
  --wl-momentum 8 \
  --rounding stochastic \
  "${ticket[@]}" \
  "$@"
