#!/usr/bin/env bash
# All GPU benchmarks, in one command of under nine minutes: tests, ceilings, profiles, steps beside the PyTorch peer, a
# ticket, detection, captured against eager, a window of energy. Works without a network, from a checkout or an unpacked bundle.
#   scripts/bench/gpu.sh [--peer DIR|none] [--out DIR] [--quick] [--device cuda|cuda:N|cpu] [--python PROGRAM] [--budget SECONDS]
#                        [--scale]
# Writes OUT/parts/ and OUT/<date>-<device>.json and .md, and prints the table of targets. A part that fails or runs out of its
# time is recorded as such, and the rest goes on. --quick --device cpu tries the script itself. --scale times the step on one,
# two, ... all GPUs of this host instead (on the CPU: on one and two ranks), beside PyTorch DDP, and writes OUT/scale.md.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
node=node
[ -x "$root/../bin/node" ] && node="$root/../bin/node"

peer= out=bench-results device=cuda quick=false scale=false python= budget=515
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=true; shift; continue ;;
    --scale) scale=true; shift; continue ;;
    --peer | --out | --device | --python | --budget) ;;
    *) echo "gpu.sh: $1 is not known: see the head of $0" >&2; exit 2 ;;
  esac
  [ $# -ge 2 ] || { echo "gpu.sh: $1 needs a value" >&2; exit 2; }
  printf -v "${1#--}" '%s' "$2"
  shift 2
done

fail() { echo "gpu.sh: $1" >&2; exit 1; }

[ -f "$root/dist/cli/main.js" ] || fail "$root/dist is not built: run \`npm run setup\` first"
if [ -z "$peer" ]; then
  peer=none
  if [ -n "$python" ] || [ -x "$root/bench/peer/.venv/bin/python3" ]; then
    peer=$root/bench/peer
  else
    echo 'gpu.sh: no PyTorch peer: npm run bench:peers makes one' >&2
  fi
fi
[ "$peer" = none ] || [ -f "$peer/peer_train.py" ] || fail "--peer $peer holds no peer_train.py"
if [ "$device" != cpu ]; then
  # 0: a plugin and a GPU, 3: no plugin, 4: no GPU.
  ask='const { cudaPlugin, cudaDevices } = require(process.argv[1]).loadAddon().runtime(); process.exit(!cudaPlugin ? 3 : cudaDevices.length ? 0 : 4)'
  has_gpu() { "$node" -e "$ask" "$root/dist/native/addon.js" 2>/dev/null; }
  has_gpu
  found=$?
  if [ $found -ne 0 ] && [ $found -ne 4 ]; then
    echo 'gpu.sh: building the addon and its CUDA plugin (not part of the budget)' >&2
    "$node" "$root/scripts/build.mjs" --native-only --cuda ON >&2 || fail 'the CUDA plugin does not build: see above'
    has_gpu
    found=$?
  fi
  [ $found -eq 0 ] || fail 'no NVIDIA GPU answers (earlybird doctor): --device cpu --quick tries the script without one'
fi

parts=$out/parts
mkdir -p "$parts" || fail "$out cannot be made"
# The result of full-cifar.sh stays.
find "$parts" -maxdepth 1 -type f \( -name '*.json' -o -name '*.log' \) ! -name full-cifar.json -exec rm -f {} +
status=$parts/status.tsv
: > "$status"
end=$((SECONDS + budget))

not_run() { # NAME WHY
  echo "$2" > "$parts/$1.log"
  printf '%s\t-\t0\n' "$1" >> "$status"
}
# part NAME SECONDS COMMAND...: its stdout is the result.
part() {
  local name=$1 limit=$2 left=$((end - SECONDS)) begin=$SECONDS code
  shift 2
  [ "$limit" -gt "$left" ] && limit=$left
  if [ "$limit" -lt 1 ]; then
    not_run "$name" 'no time was left for it'
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
  models=vgg16 small_models=vgg16 large_models= batch=2 steps=1 warmup=1 peer_steps=1 repetitions=2 small='--quick'
  kernels='--repetitions 1 --rounds 1'
  run='--limit-train 64 --limit-test 32 --depth 11 --cfg 16 M 16 M 16 16 M 16 16 M 16 16 --epochs 1 --batch-size 32'
  reference_steps=1 reference_warmup=1 idle=0
  [ "$device" = cpu ] && small="$small --threads 1"
else
  models='vgg16 preresnet101 resnet18 resnet50' small_models='vgg16 preresnet101' large_models='resnet18 resnet50' batch=256 steps=100 warmup=20 peer_steps=60 repetitions=50 small=
  kernels='--repetitions 20 --rounds 2'
  # 3 million images: 10 s at 300,000 a second.
  run='--depth 16 --epochs 60 --batch-size 256'
  reference_steps=20 reference_warmup=5 idle=3
fi
precision='--precision bf16'
[ "$device" = cpu ] && precision='--precision fp32'
threads=
$quick && [ "$device" = cpu ] && threads='--threads 1'
peers=(--peer "$peer" ${python:+--python "$python"})
common="--batch $batch --warmup $warmup $precision $threads"
referring="--batch $batch --warmup $reference_warmup --steps $reference_steps $precision $threads"

# beside PART SECONDS MODEL MODE ROUNDS FLAGS...: a part for each mode, so that one that takes too long costs no other its figure.
beside() {
  local name=$1 limit=$2 model=$3 mode=$4 rounds=$5
  shift 5
  if [ "$peer" = none ] && [ "$mode" != tuned ]; then return; fi
  # The command gives up before the part does, so that the figures so far are written.
  bench "$name" "$limit" step --model "$model" "$@" --rounds "$rounds" "${peers[@]}" --modes "$mode" --timeout $((limit * 3 / 4))
}

# Unquoted lists of flags are meant to split.
# shellcheck disable=SC2086
if $scale; then
  ranks='1 2'
  if [ "$device" != cpu ]; then
    gpus=$(nvidia-smi --list-gpus | wc -l)
    ranks=1
    for ((n = 2; n <= gpus; n *= 2)); do ranks="$ranks $n"; done
  fi
  for model in $models; do
    bench "scale-$model" 120 scale --model "$model" --batch "$batch" --warmup "$warmup" --steps "$peer_steps" $precision $threads \
      --rounds 2 --ranks $ranks "${peers[@]}"
  done
  "$node" -e '
    const { readFileSync, readdirSync } = require("fs");
    console.log("| model | system | ranks | images/s | over one |\n|---|---|---|---|---|");
    for (const file of readdirSync(process.argv[1]).filter((name) => /^scale-.*json$/.test(name))) {
      const text = readFileSync(`${process.argv[1]}/${file}`, "utf8");
      for (const { system, ranks, imagesPerSecond, overOne, failure } of text ? JSON.parse(text).rows : [])
        console.log(`| ${file.slice(6, -5)} | ${system} | ${ranks} | ${imagesPerSecond ? imagesPerSecond.median.toFixed(0) : failure} | ${
          overOne ? `${overOne.toFixed(2)}x` : "-"} |`);
    }' "$parts" | tee "$out/scale.md"
  exit
else
  profile() { bench "profile-$1" 15 profile --model "$1" $common --steps $((steps > 10 ? 10 : steps)) $small; }
  stepping="$common --steps $peer_steps"
  ticket="--ticket 0.5 --round-to 8"

  # The parts that the targets of CIFAR need come first; all limits are ceilings, and a part whose time is not left is
  # recorded as not run.
  for model in $small_models; do profile "$model"; done
  for model in $small_models; do beside "step-$model" 40 "$model" tuned 2 $stepping; done
  for model in $small_models; do beside "compiled-$model" 80 "$model" compiled 2 $stepping; done
  for model in $small_models; do beside "reference-$model" 40 "$model" reference 2 $referring; done
  beside ticket-vgg16 30 vgg16 tuned 1 $stepping $ticket
  for model in $small_models; do
    bench "detect-$model" 12 detect --model "$model" $common --steps "$steps" --repetitions $repetitions
  done
  for model in $large_models; do profile "$model"; done
  for model in $large_models; do beside "step-$model" 25 "$model" tuned 1 $stepping; done
  for model in $large_models; do beside "reference-$model" 25 "$model" reference 1 $referring; done
  run_folder=$(mktemp -d)
  # A run writes its energy beside its metrics.
  part energy 45 bash -c '"${@:2}" >&2 && cat "$1/energy.json"' energy "$run_folder" "$node" "$root/dist/cli/main.js" search \
    --dataset synthetic --arch vgg $run --idle-seconds $idle --save "$run_folder" --report false --keep-checkpoints none \
    --device "$device" $precision $threads --json --quiet
  rm -rf "$run_folder"
  bench captured-vgg16 10 step --model vgg16 --peer none $common --steps "$steps" --rounds 1 --capture true
  bench eager-vgg16 10 step --model vgg16 --peer none $common --steps "$steps" --rounds 1 --capture false
  bench kernels 15 kernels --peer none $kernels $threads
  # The parts time MX and NVFP4: the rounding beside a copy of memory, and the step beside that of full precision.
  for format in mxfp8-e4m3 nvfp4; do
    bench "kernels-$format" 10 kernels --peer none --format $format $kernels $threads
    bench "step-$format" 20 step --model vgg16 --peer none --low-precision --format $format $common --steps "$steps" --rounds 1
  done
  if [ "$device" != cpu ]; then
    if [ -x "$root/node_modules/.bin/jest" ]; then
      part tests 60 bash -c 'cd "$1" && node_modules/.bin/jest --json test/native/cuda-' tests "$root"
    else
      not_run tests 'no jest'
    fi
  fi
  beside ticket-compiled-vgg16 40 vgg16 compiled 1 $stepping $ticket
  for model in $large_models; do beside "compiled-$model" 50 "$model" compiled 1 $stepping; done
fi

"$node" "$here/targets.mjs" "$parts" "$out"
