#!/usr/bin/env bash
# Train the ticket of prune.sh from new weights, for all epochs. Further flags win over these.
# The reference trains pruned_1035_0.1 into retrain_1035_0.1_scratch.
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
  --save baseline/vgg16-cifar100/retrain_0.3_scratch \
  --momentum 0.9 \
  --sparsity-regularization \
  --scratch baseline/vgg16-cifar100/pruned_0.3/pruned.pth.tar \
  --reference-metrics \
  "$@"
