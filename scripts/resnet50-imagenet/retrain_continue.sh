#!/usr/bin/env bash
# Train the ticket of prune.sh on with the weights it has, after the epochs it has seen.
# No L1 term here, as published.
# The reference trains pruned_7008_0.7 into retrain_7008_0.7, from epoch index 8, with new weights
# (--start-epoch 8 --reinit), on four GPUs (--gpu_ids 4,5,6,7 --port 14000): where there are four, each gets a rank, else one
# process computes.
# Add --data ROOT, the folder with train/ and val/ or with shards. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

many_gpus 0,1,2,3 "$@"

earlybird retrain \
  --dataset imagenet \
  --arch resnet50_prune \
  --lr 0.1 \
  --epochs 90 \
  --schedule 30 60 \
  --batch-size 256 \
  --test-batch-size 128 \
  --save baseline/resnet50-imagenet/retrain_0.7 \
  --momentum 0.9 \
  --swa_start 60 \
  --scratch baseline/resnet50-imagenet/pruned_0.7/pruned.pth.tar \
  --reference-metrics \
  "${gpus[@]}" "$@"
