#!/usr/bin/env bash
# Everything a GPU has to show, in one command of under nine minutes: tests, ceilings, profiles, steps beside the PyTorch peer, a
# ticket, detection, captured against eager, a window of energy. Works without a network, from a checkout or an unpacked bundle.
#   scripts/bench/gpu.sh [--peer DIR] [--out DIR] [--quick] [--device cuda|cuda:N|cpu] [--python PROGRAM] [--budget SECONDS]
# Writes OUT/parts/ and OUT/<date>-<device>.json and .md, and prints the table of targets. A part that fails or runs out of its
# time is recorded as such, and the rest goes on. --quick --device cpu tries the script itself.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
node=node
[ -x "$root/../bin/node" ] && node="$root/../bin/node"

peer= out=bench-results device=cuda quick=false python=python3 budget=530
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=true; shift; continue ;;
    --peer | --out | --device | --python | --budget) ;;
    *) echo "gpu.sh: $1 is not known: see the head of $0" >&2; exit 2 ;;
  esac
  [ $# -ge 2 ] || { echo "gpu.sh: $1 needs a value" >&2; exit 2; }
  printf -v "${1#--}" '%s' "$2"
  shift 2
done

fail() { echo "gpu.sh: $1" >&2; exit 1; }
earlybird() { "$node" "$root/dist/cli/main.js" "$@"; }

[ -f "$root/dist/cli/main.js" ] || fail "$root/dist is not built: run \`npm run setup\` first"
[ -z "$peer" ] || [ -f "$peer/peer_train.py" ] || fail "--peer $peer holds no peer_train.py"
if [ "$device" != cpu ]; then
  nvidia-smi -L >&2 || fail 'no NVIDIA GPU answers (nvidia-smi -L): --device cpu --quick tries the script without one'
  has_plugin="const { loadAddon } = require('$root/dist/native/addon.js'); process.exit(loadAddon().runtime().cudaPlugin ? 0 : 3)"
  if ! "$node" -e "$has_plugin" 2>/dev/null; then
    echo 'gpu.sh: building the addon and its CUDA plugin (not part of the budget)' >&2
    "$node" "$root/scripts/build.mjs" --native-only --cuda ON >&2 || fail 'the CUDA plugin does not build: see above'
  fi
fi

parts=$out/parts
mkdir -p "$parts" || fail "$out cannot be made"
rm -f "$parts"/*.json "$parts"/*.log "$parts"/status.tsv
status=$parts/status.tsv
: > "$status"
end=$((SECONDS + budget))

# part NAME SECONDS COMMAND...: its stdout is the result.
part() {
  local name=$1 limit=$2 left=$((end - SECONDS)) begin=$SECONDS code
  shift 2
  [ "$limit" -gt "$left" ] && limit=$left
  if [ "$limit" -lt 1 ]; then
    echo 'no time was left for it' > "$parts/$name.log"
    printf '%s\t-\t0\n' "$name" >> "$status"
    return
  fi
  echo "gpu.sh: $name (at most $limit s)" >&2
  timeout --kill-after=5 "$limit" "$@" > "$parts/$name.json" 2> "$parts/$name.log"
  code=$?
  [ $code -eq 0 ] || echo "gpu.sh: $name ended with $code: $(tail -n 1 "$parts/$name.log")" >&2
  printf '%s\t%d\t%d\n' "$name" "$code" $((SECONDS - begin)) >> "$status"
}
bench() { # NAME SECONDS WHAT FLAGS...
  local name=$1 limit=$2
  shift 2
  part "$name" "$limit" "$node" "$root/dist/cli/main.js" bench "$@" --device "$device" --json --quiet
}

if $quick; then
  models=vgg16 batch=2 steps=1 warmup=1 peer_steps=1 repetitions=2 small='--quick'
  kernels='--repetitions 1 --rounds 1'
  run='--limit-train 64 --limit-test 32 --depth 11 --cfg 16 M 16 M 16 16 M 16 16 M 16 16 --epochs 1 --batch-size 32'
  [ "$device" = cpu ] && small="$small --threads 1"
else
  models='vgg16 preresnet101 resnet18 resnet50' batch=256 steps=100 warmup=20 peer_steps=60 repetitions=50 small=
  kernels='--repetitions 20 --rounds 2'
  run='--depth 16 --epochs 2 --batch-size 256'
fi
precision='--precision bf16'
[ "$device" = cpu ] && precision='--precision fp32'
threads=
$quick && [ "$device" = cpu ] && threads='--threads 1'
peers=()
[ -n "$peer" ] && peers=(--peer "$peer" --python "$python")
common="--batch $batch --warmup $warmup $precision $threads"

# Unquoted lists of flags are meant to split.
# shellcheck disable=SC2086
{
  for model in $models; do bench "profile-$model" 40 profile --model "$model" $common --steps $((steps > 10 ? 10 : steps)) $small; done
  for model in $models; do
    bench "step-$model" 75 step --model "$model" $common --steps $peer_steps --rounds 1 \
      "${peers[@]}" --modes reference tuned --timeout 60
  done
  bench ticket-vgg16 60 step --model vgg16 $common --steps $peer_steps --rounds 1 --ticket 0.5 --round-to 8 \
    "${peers[@]}" --modes tuned --timeout 30
  for model in $models; do
    case $model in
      vgg16 | preresnet101) bench "detect-$model" 30 detect --model "$model" $common --steps "$steps" --repetitions $repetitions ;;
    esac
  done
  bench captured-vgg16 25 step --model vgg16 $common --steps "$steps" --rounds 1 --capture true
  bench eager-vgg16 25 step --model vgg16 $common --steps "$steps" --rounds 1 --capture false
  bench kernels 30 kernels $kernels $threads
  run_folder=$(mktemp -d)
  # A run writes what it took beside its metrics.
  part energy 30 bash -c '"$@" >&2 && cat "'"$run_folder"'/energy.json"' energy "$node" "$root/dist/cli/main.js" search \
    --dataset synthetic --arch vgg $run --save "$run_folder" --report false --keep-checkpoints none --device "$device" $precision $threads --json --quiet
  rm -rf "$run_folder"
  if [ "$device" != cpu ] && [ -x "$root/node_modules/.bin/jest" ]; then
    part tests 90 bash -c 'cd "$1" && node_modules/.bin/jest --json test/native/cuda-' tests "$root"
  fi
  if [ -n "$peer" ]; then # last: compiling takes long, and the rest stands without it
    for model in $models; do
      bench "compiled-$model" 120 step --model "$model" $common --steps $peer_steps --rounds 1 "${peers[@]}" --modes compiled --timeout 110
    done
  fi
}

earlybird bench report --folder "$parts" --out "$out"
