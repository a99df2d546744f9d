#!/usr/bin/env bash
# The whole experiment, in one command: VGG-16 on CIFAR-10 is searched to the end, pruned to 30, 50 and 70 %, the three tickets are
# retrained, and the distances of all masks are drawn. Prints the seconds it took, as JSON with --json.
# --out leaves them in PARTS/full-cifar.json, beside the results of gpu.sh, for targets.mjs.
#   scripts/bench/full-cifar.sh [--data DIR] [--epochs N] [--device cuda|cuda:N|cpu] [--save DIR] [--json] [--out PARTS] [-- FLAGS OF SEARCH AND RETRAIN]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
node=node
[ -x "$root/../bin/node" ] && node="$root/../bin/node"
earlybird() { "$node" "$root/dist/cli/main.js" "$@"; }

data= epochs=160 device=cuda save=runs/full-cifar out= json=false
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    --json) json=true; shift; continue ;;
    --data | --epochs | --device | --save | --out) ;;
    *) echo "full-cifar.sh: $1 is not known: see the head of $0" >&2; exit 2 ;;
  esac
  [ $# -ge 2 ] || { echo "full-cifar.sh: $1 needs a value" >&2; exit 2; }
  printf -v "${1#--}" '%s' "$2"
  shift 2
done

precision=bf16
[ "$device" = cpu ] && precision=fp32
training=(--dataset cifar10 --arch vgg --depth 16 --epochs "$epochs" --schedule $((epochs / 2)) $((epochs * 3 / 4))
  --batch-size 256 --sparsity-regularization --keep-checkpoints none --precision "$precision" --device "$device" --quiet)
[ -n "$data" ] && training+=(--data "$data")
ratios=(0.3 0.5 0.7)
begin=$SECONDS

earlybird search "${training[@]}" "$@" --ratios "${ratios[@]}" --save "$save/search" --force >&2
for ratio in "${ratios[@]}"; do
  percent=${ratio#0.}0
  # Without a ticket, the network at the end of the search is drawn from.
  tickets=("$save"/search/EB-"$percent"-*.pth.tar)
  from=${tickets[0]} start=()
  if [ ! -f "$from" ]; then
    from=$save/search/checkpoint.pth.tar start=(--start-epoch 0)
    echo "full-cifar.sh: no ticket emerged at $ratio: pruning $from" >&2
  fi
  earlybird prune --model "$from" --percent "$ratio" --measure false --save "$save/pruned-$percent" --device "$device" --quiet >&2
  earlybird retrain "${training[@]}" "$@" "${start[@]}" --scratch "$save/pruned-$percent/pruned.pth.tar" \
    --save "$save/retrain-$percent" --force >&2
done
earlybird distance --save "$save/search" --ratios "${ratios[@]}" --quiet >&2
earlybird plot "$save/search" --save "$save" --quiet >&2

seconds=$((SECONDS - begin))
result=$(printf '{"seconds": %d, "epochs": %d, "device": "%s"}' "$seconds" "$epochs" "$device")
if [ -n "$out" ]; then
  mkdir -p "$out"
  echo "$result" > "$out/.full-cifar.json" && mv "$out/.full-cifar.json" "$out/full-cifar.json"
fi
if $json; then
  echo "$result"
else
  echo "$seconds s for a search of $epochs epochs, three tickets retrained, and their distances: $save"
fi
