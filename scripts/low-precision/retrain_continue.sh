#!/usr/bin/env bash
# Train the ticket of prune.sh on in low precision, with the weights it has, after the epochs it has seen.
# Further flags win over these.
# The reference trains lp_pruned_3032_0.3 into lp_retrain_3032_0.3, from epoch index 32: --start-epoch 32.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird retrain \
  --dataset cifar10 \
  --arch vgg \
  --depth 16 \
  --lr 0.1 \
  --epochs 160 \
  --schedule 80 120 \
  --batch-size 256 \
  --test-batch-size 128 \
  --save baseline/lp_vgg16-cifar10/lp_retrain_0.3 \
  --momentum 0.9 \
  --sparsity-regularization \
  --scratch baseline/lp_vgg16-cifar10/lp_pruned_0.3/pruned.pth.tar \
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
