#!/usr/bin/env bash
# Train the ticket on with the weights it has, from the epoch after its search. Further flags win over these.
# The reference's retraining begins at epoch 35 and draws new weights; add --reinit for that.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird retrain \
  --dataset cifar100 \
  --arch vgg \
  --depth 16 \
  --lr 0.1 \
  --epochs 160 \
  --start-epoch 35 \
  --schedule 80 120 \
  --batch-size 256 \
  --test-batch-size 128 \
  --save baseline/vgg16-cifar100/retrain_1035_0.1 \
  --momentum 0.9 \
  --sparsity-regularization \
  --scratch baseline/vgg16-cifar100/pruned_1035_0.1/pruned.pth.tar \
  "$@"
