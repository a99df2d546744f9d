#!/usr/bin/env bash
# Train the ticket on with the weights it has. Batches are half as large as in the search, as published.
# The reference draws new weights here; add --reinit for that.
# Add --data ROOT, the folder with train/ and val/ or with shards. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird retrain \
  --dataset imagenet \
  --arch resnet18 \
  --lr 0.1 \
  --epochs 90 \
  --start-epoch 11 \
  --schedule 30 60 \
  --batch-size 128 \
  --test-batch-size 64 \
  --save baseline/resnet18-imagenet/retrain_1011_0.1 \
  --momentum 0.9 \
  --sparsity-regularization \
  --scratch baseline/resnet18-imagenet/pruned_1011_0.1/pruned.pth.tar \
  "$@"
