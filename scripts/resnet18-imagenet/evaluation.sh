#!/usr/bin/env bash
# Test the retrained ticket: exact top-1 and top-5, and the means over batches the reference prints.
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
  --save baseline/resnet18-imagenet/retrain_1011_0.1 \
  --momentum 0.9 \
  --sparsity-regularization \
  --scratch baseline/resnet18-imagenet/pruned_1011_0.1/pruned.pth.tar \
  --resume baseline/resnet18-imagenet/retrain_1011_0.1/model_best.pth.tar \
  "$@"
