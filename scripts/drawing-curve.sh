#!/usr/bin/env bash
# Accuracy after retraining against the epoch in which the ticket was drawn, the paper's Figure 1, in one command: a search to the end,
# tickets of its checkpoints, a retraining of each, and the figure. The same command goes on after an interruption.
#   scripts/drawing-curve.sh [--every N] [--until N] [--ratios LIST] [--save DIR] -- FLAGS OF SEARCH AND RETRAIN
#   scripts/drawing-curve.sh --every 10 --until 80 --ratios 0.3,0.5,0.7 -- --preset vgg16-cifar10 --data DIR
# A retraining begins after the epochs that its ticket has seen; with --start-epoch 0 among the flags it has all epochs.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/earlybird.sh"

every=10 until=40 ratios=0.3,0.5,0.7 save=runs/drawing-curve
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    --every | --until | --ratios | --save) ;;
    *) echo "drawing-curve.sh: $1 is not known: see the head of $0" >&2; exit 2 ;;
  esac
  [ $# -ge 2 ] || { echo "drawing-curve.sh: $1 needs a value" >&2; exit 2; }
  printf -v "${1#--}" '%s' "$2"
  shift 2
done

earlybird search "$@" --ratios "$ratios" --keep-checkpoints "every:$every" --no-report --save "$save/search"
folders=("$save/search")
for ratio in ${ratios//,/ }; do
  for ((epoch = every; epoch <= until; epoch += every)); do
    folder=$save/p$ratio-epoch$epoch
    [ -e "$folder/pruned.pth.tar" ] ||
      earlybird prune --model "$save/search/ckpt$((epoch - 1)).pth.tar" --percent "$ratio" --no-measure --save "$folder"
    earlybird retrain "$@" --scratch "$folder/pruned.pth.tar" --no-report --save "$folder/retrain"
    folders+=("$folder/retrain")
  done
done
earlybird plot "${folders[@]}" --drawing --save "$save"
