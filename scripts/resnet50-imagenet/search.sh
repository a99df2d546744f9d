#!/usr/bin/env bash
# Search for Early-Bird tickets: ResNet-50 on ImageNet, hyper-parameters of the reference.
# The reference lists four GPUs (--gpu_ids 0,1,2,3): where they are there, each gets a rank, else one process computes.
# Add --data ROOT, the folder with train/ and val/ or with shards. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

many_gpus 0,1,2,3 "$@"

earlybird search \
  --dataset imagenet \
  --arch resnet50_official \
  --lr 0.1 \
  --epochs 90 \
  --schedule 30 60 \
  --batch-size 256 \
  --test-batch-size 64 \
  --save baseline/resnet50-imagenet \
  --momentum 0.9 \
  --swa_start 60 \
  --sparsity-regularization \
  --reference-metrics \
  "${gpus[@]}" "$@"
