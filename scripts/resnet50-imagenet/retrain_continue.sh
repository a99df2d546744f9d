#!/usr/bin/env bash
# Train the ticket on with the weights it has. No L1 term here, as published.
# The reference draws new weights here; add --reinit for that.
# Of the GPUs that are listed the first one computes; --device wins over the list.
# Add --data ROOT, the folder with train/ and val/ or with shards. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird retrain \
  --dataset imagenet \
  --arch resnet50_prune \
  --lr 0.1 \
  --epochs 90 \
  --start-epoch 8 \
  --schedule 30 60 \
  --batch-size 256 \
  --test-batch-size 128 \
  --save baseline/resnet50-imagenet/retrain_7008_0.7 \
  --momentum 0.9 \
  --swa_start 60 \
  --scratch baseline/resnet50-imagenet/pruned_7008_0.7/pruned.pth.tar \
  --gpu_ids 4,5,6,7 \
  --port 14000 \
  "$@"
