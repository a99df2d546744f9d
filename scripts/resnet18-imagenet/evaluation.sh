#!/usr/bin/env bash
# Test what retrain_continue.sh left (2020: retrain_1011_0.1): exact top-1 and top-5,
# and the means over batches that the reference prints.
# Add --data ROOT, the folder with train/ and val/ or with shards. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird evaluate \
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
  --resume baseline/resnet18-imagenet/retrain_0.3/model_best.pth.tar \
  --reference-metrics \
  "$@"
