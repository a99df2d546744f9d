#!/usr/bin/env bash
# Test what retrain_continue.sh left (2020: retrain_3010_0.3): exact top-1 and top-5,
# and the means over batches that the reference prints.
# Add --data ROOT, the folder with train/ and val/ or with shards. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird evaluate \
  --dataset imagenet \
  --arch resnet50_prune \
  --lr 0.1 \
  --epochs 90 \
  --schedule 30 60 \
  --batch-size 128 \
  --test-batch-size 128 \
  --save baseline/resnet50-imagenet/retrain_0.7 \
  --momentum 0.9 \
  --scratch baseline/resnet50-imagenet/pruned_0.7/pruned.pth.tar \
  --resume baseline/resnet50-imagenet/retrain_0.7/model_best.pth.tar \
  --reference-metrics \
  "$@"
