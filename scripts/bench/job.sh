#!/usr/bin/env bash
# The whole job beside PyTorch, for both networks: VGG-16 and PreResNet-20, 5,000 CIFAR-10 images, three seeds. Ends with their tables,
# which lie with JSON and figure in SAVE/<network>. The same command goes on after an interruption.
#   scripts/bench/job.sh --data DIR [--save DIR] [--epochs N] [--python PROGRAM] [-- FLAGS OF bench job]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
node=node
[ -x "$root/../bin/node" ] && node="$root/../bin/node"

data= save=runs/job epochs=40 python=
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    --data | --save | --epochs | --python) ;;
    *) echo "job.sh: $1 is not known: see the head of $0" >&2; exit 2 ;;
  esac
  [ $# -ge 2 ] || { echo "job.sh: $1 needs a value" >&2; exit 2; }
  printf -v "${1#--}" '%s' "$2"
  shift 2
done
peer=(--peer "$root/bench/peer")
[ -n "$python" ] && peer+=(--python "$python")
images=(--limit-train 5000 --limit-test 2000)
[ -n "$data" ] && images+=(--data "$data")

for model in vgg16 preresnet20; do
  "$node" "$root/dist/cli/main.js" bench job --model "$model" --epochs "$epochs" "${images[@]}" "${peer[@]}" \
    --seeds 1 2 3 --save "$save/$model" "$@"
done
