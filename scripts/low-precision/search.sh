#!/usr/bin/env bash
# Search for Early-Bird tickets in low precision: VGG-16 on CIFAR-10, 8 bits everywhere, published hyper-parameters.
# Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird search \
  --dataset cifar10 \
  --arch vgg \
  --depth 16 \
  --lr 0.1 \
  --epochs 160 \
  --schedule 80 120 \
  --batch-size 256 \
  --test-batch-size 256 \
  --save baseline/lp_vgg16-cifar10 \
  --momentum 0.9 \
  --sparsity-regularization \
  --swa True \
  --swa_start 140 \
  --wl-weight 8 \
  --wl-activate 8 \
  --wl-grad 8 \
  --wl-error 8 \
  --wl-momentum 8 \
  --rounding stochastic \
  --reference-metrics \
  "$@"
