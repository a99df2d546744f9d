#!/usr/bin/env bash
# Train the ticket in low precision from new weights and new BatchNorm statistics, for all epochs; the release has no such script.
# Further flags win over these.
set -euo pipefail

"$(dirname "${BASH_SOURCE[0]}")/retrain_continue.sh" \
  --reinit \
  --start-epoch 0 \
  --save baseline/lp_vgg16-cifar10/lp_retrain_3032_0.3_scratch \
  "$@"
