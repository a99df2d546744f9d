#!/usr/bin/env bash
# Search for Early-Bird tickets: VGG-16 on CIFAR-100, hyper-parameters of the reference. Further flags win over these.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../earlybird.sh"

earlybird search \
  --dataset cifar100 \
  --arch vgg \
  --depth 16 \
  --lr 0.1 \
  --epochs 160 \
  --schedule 80 120 \
  --batch-size 256 \
  --test-batch-size 256 \
  --save baseline/vgg16-cifar100 \
  --momentum 0.9 \
  --sparsity-regularization \
  --reference-metrics \
  "$@"
