#!/usr/bin/env bash
# Train the ticket of prune.sh on with the weights it has, after the epochs it has seen.
# Batches are half those of the search, as published.
# The reference trains pruned_1011_0.1 into retrain_1011_0.1, from epoch index 11, with new weights
# (--start-epoch 11 --reinit).
# Add --data ROOT, the folder with train/ and val/ or with shards. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird retrain \
  --dataset imagenet \
  --arch resnet18 \
  --lr 0.1 \
  --epochs 90 \
  --schedule 30 60 \
  --batch-size 128 \
  --test-batch-size 64 \
  --save baseline/resnet18-imagenet/retrain_0.3 \
  --momentum 0.9 \
  --sparsity-regularization \
  --scratch baseline/resnet18-imagenet/pruned_0.3/pruned.pth.tar \
  --reference-metrics \
  "$@"
