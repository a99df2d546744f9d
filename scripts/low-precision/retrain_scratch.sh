#!/usr/bin/env bash
# Train the ticket in low precision from new weights and new BatchNorm statistics, for all epochs. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird retrain \
  --reinit \
  --dataset cifar10 \
  --arch vgg \
  --depth 16 \
  --lr 0.1 \
  --epochs 160 \
  --schedule 80 120 \
  --batch-size 256 \
  --test-batch-size 128 \
  --save baseline/lp_vgg16-cifar10/lp_retrain_3032_0.3_scratch \
  --momentum 0.9 \
  --sparsity-regularization \
  --scratch baseline/lp_vgg16-cifar10/lp_pruned_3032_0.3/pruned.pth.tar \
  --swa True \
  --swa_start 140 \
  --wl-weight 8 \
  --wl-activate 8 \
  --wl-grad 8 \
  --wl-error 8 \
  --wl-momentum 8 \
  --rounding stochastic \
  "$@"
