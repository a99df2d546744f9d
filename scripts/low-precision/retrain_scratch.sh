#!/usr/bin/env bash
# Train the ticket of prune.sh in low precision from new weights and BatchNorm statistics, for all epochs.
# The reference has no such script. Further flags win over these.
set -euo pipefail

"$(dirname "${BASH_SOURCE[0]}")/retrain_continue.sh" \
  --reinit \
  --save baseline/lp_vgg16-cifar10/lp_retrain_0.3_scratch \
  "$@"
