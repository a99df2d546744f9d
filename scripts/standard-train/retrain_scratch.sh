#!/usr/bin/env bash
# Train the ticket from new weights, for all epochs. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird retrain \
  --reinit \
  --dataset cifar100 \
  --arch vgg \
  --depth 16 \
  --lr 0.1 \
  --epochs 160 \
  --schedule 80 120 \
  --batch-size 256 \
  --test-batch-size 128 \
  --save baseline/vgg16-cifar100/retrain_1035_0.1_scratch \
  --momentum 0.9 \
  --sparsity-regularization \
  --scratch baseline/vgg16-cifar100/pruned_1035_0.1/pruned.pth.tar \
  "$@"
