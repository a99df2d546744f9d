#!/usr/bin/env bash
# Test the retrained ticket: exact top-1 and top-5, and the means over batches the reference prints.
# Of the GPUs that are listed the first one computes; --device wins over the list.
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
  --save baseline/resnet50-imagenet/retrain_3010_0.3 \
  --momentum 0.9 \
  --scratch baseline/resnet50-imagenet/pruned_3010_0.3/pruned.pth.tar \
  --resume baseline/resnet50-imagenet/retrain_3010_0.3/model_best.pth.tar \
  --gpu_ids 0,1,2,3 \
  "$@"
