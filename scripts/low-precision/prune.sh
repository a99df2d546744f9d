#!/usr/bin/env bash
# Prune the ticket drawn at p = 30 % out of the low-precision search; --protective keeps a tenth of every layer.
# Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird prune \
  --dataset cifar10 \
  --depth 16 \
  --test-batch-size 256 \
  --percent 0.3 \
  --model baseline/lp_vgg16-cifar10/EB-30-32.pth.tar \
  --save baseline/lp_vgg16-cifar10/lp_pruned_3032_0.3 \
  --wl-weight 8 \
  --wl-activate 8 \
  --wl-grad 8 \
  --wl-error 8 \
  --wl-momentum 8 \
  --rounding stochastic \
  "$@"
