#!/usr/bin/env bash
# Train the ticket of prune.sh on with the weights it has, after the epochs it has seen. Further flags win over these.
# The reference trains pruned_1035_0.1 into retrain_1035_0.1, from epoch index 35, with new weights
# (--start-epoch 35 --reinit).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird retrain \
  --dataset cifar100 \
  --arch vgg \
  --depth 16 \
  --lr 0.1 \
  --epochs 160 \
  --schedule 80 120 \
  --batch-size 256 \
  --test-batch-size 128 \
  --save baseline/vgg16-cifar100/retrain_0.3 \
  --momentum 0.9 \
  --sparsity-regularization \
  --scratch baseline/vgg16-cifar100/pruned_0.3/pruned.pth.tar \
  --reference-metrics \
  "$@"
