#!/usr/bin/env bash
# Tries the program on real situations: `test/cases/run.sh [DIR] [NAME ...]`. DIR has a folder for each case (default: ../shared/cases
# beside the repository). Prints PASS, FAIL or SKIP with the reason, a line each; exit code 1 where one failed.
# PYTHON (default python3) makes the inputs of a case; cases that need torch or Pillow are skipped without it.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cases=$(cd "${1:-$root/../shared/cases}" && pwd) || exit 2
[ $# -gt 0 ] && shift
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
printf '#!/bin/sh\nexec node "%s" "$@"\n' "$root/dist/cli/main.js" >"$work/bin/earlybird"
chmod +x "$work/bin/earlybird"
export PATH="$work/bin:$PATH" EARLYBIRD_CACHE="$work/cache"

failed=0
tell() { printf '%s  %-32s %s\n' "$1" "$2" "${3:-}"; }
# check NAME COMMAND: FAIL with the last line that the command prints unless it succeeds; 77 is SKIP.
check() {
  local name=$1 said code
  shift
  said=$("$@" 2>&1)
  code=$?
  said=$(printf '%s' "$said" | tail -n 1 | cut -c 1-220)
  case $code in
    0) tell PASS "$name" ;;
    77) tell SKIP "$name" "$said" ;;
    *) tell FAIL "$name" "$said"; failed=1 ;;
  esac
}
look() { node "$root/test/cases/look.cjs" "$@"; }
needs() { "$python" -c "import $1" 2>/dev/null || { echo "needs a Python with $1 (PYTHON=...)"; exit 77; }; }
# make CASE: runs its make.py, into $work/CASE.
make() {
  mkdir -p "$work/$1"
  "$python" "$cases/$1/make.py" "$work/$1" >"$work/$1.log" 2>&1 || { cat "$work/$1.log"; return 1; }
}
equal() { [ "$1" = "$2" ] || { echo "got $1, wanted $2"; return 1; }; }
counts() { earlybird data verify "$1" --data "$2" --json 2>"$work/said" | look counts 2>/dev/null || cat "$work/said"; }
prune() { earlybird prune --model "$1" --arch vgg --depth 11 --percent 0.3 --measure false --quiet --save "$2" >/dev/null; }
tiny=(--arch vgg --depth 11 --cfg 4 M 4 M 4 4 M 4 4 M 4 4 --dataset synthetic --limit-train 100 --limit-test 50 --report false)

# --- checkpoints

pruned() { prune "$1" "$work/ticket-$RANDOM$RANDOM"; }
read_all() { for file in "$work/$1"/*.pth.tar; do earlybird inspect "$file" >/dev/null && pruned "$file" || return 1; done; }
beside_weights() { needs torch; needs numpy; make T2-03 && read_all T2-03; }
prefixes() {
  needs torch
  make T2-05 || return 1
  local first='' file hash
  for file in "$work"/T2-05/*.pth.tar; do
    prune "$file" "$file.ticket" || return 1
    hash=$(look weights "$file.ticket/pruned.pth.tar") || return 1
    equal "$hash" "${first:=$hash}" || { echo "$(basename "$file") gives another ticket"; return 1; }
  done
}
optimisers() {
  needs torch
  make T2-22 || return 1
  local name
  for name in two_groups adam; do
    earlybird search "${tiny[@]}" --epochs 1 --resume "$work/T2-22/$name.pth.tar" --save "$work/resumed-$name" >"$work/said" 2>&1
    grep -qiE "${name/two_groups/groups}" "$work/said" || { tail -n 1 "$work/said"; return 1; }
  done
}
inspected() { earlybird inspect "$1"; }
negated() { equal "$(look tensor "$cases/D/lazy-negative.pt")" '-1 -2 -3'; }
as_plain() {
  local from=$cases/files/checkpoints plain="$work/plain-$(basename "$2" .pth.tar)" ticket="$work/files-${1//\//-}"
  [ -e "$plain" ] || prune "$from/$2" "$plain" || return 1
  prune "$from/$1" "$ticket" || return 1
  equal "$(look weights "$ticket/pruned.pth.tar")" "$(look weights "$plain/pruned.pth.tar")"
}

# --- data

verified() { equal "$(counts "$1" "$2")" "$3"; }
shards_of() { make T2-08 && for name in some_png class_png dotted; do verified imagenet "$work/T2-08/$name" '36 18 12,12,12' || return 1; done; }
litter() { make T2-10 && verified imagenet "$work/T2-10" '36 18 12,12,12'; }
nested() {
  make T2-11 || return 1
  local folder
  for folder in nested_part nested_all; do verified imagenet "$work/T2-11/$folder" '36 18 12,12,12' || return 1; done
}
numbers() {
  make T2-13 || return 1
  local common=(search --dataset imagenet --arch resnet18 --image-size 32 --batch-size 12 --epochs 1 --report false)
  if timeout 120 earlybird "${common[@]}" --data "$work/T2-13/of_21k" --save "$work/of_21k" >"$work/said" 2>&1; then
    echo 'a list of 11,000 classes with three of them is trained'
    return 1
  fi
  grep -qE 'ERR_(DATASET|USAGE)' "$work/said" || { tail -n 1 "$work/said"; return 1; }
  earlybird data verify imagenet --data "$work/T2-13/from_one" >"$work/said" 2>&1
  grep -qiE '[0-9]+ of [0-9]+ classes have|empty|without' "$work/said" || { echo "from_one: $(tail -n 1 "$work/said")"; return 1; }
}
folder_of() {
  local split file
  for split in train val; do
    mkdir -p "$1/$split/n01440764"
    for file in "${@:2}"; do cp "$file" "$1/$split/n01440764/"; done
  done
}
inks() {
  folder_of "$work/inks" "$cases"/T2-14/*.JPEG
  earlybird data pack "$work/inks" "$work/inks-packed" >/dev/null || return 1
  local colour red green blue
  for colour in $(look colours "$work/inks-packed"); do
    IFS=, read -r red green blue <<<"$colour"
    [ "$red" -lt 70 ] && [ "$green" -gt 140 ] && [ "$blue" -lt 100 ] || { echo "30,180,60 has become $colour"; return 1; }
  done
}
one_judge() {
  folder_of "$work/damaged" "$cases"/T2-15/*.JPEG
  earlybird data pack "$work/damaged" "$work/damaged-packed" --max-bad 10 >/dev/null 2>&1
  earlybird data verify imagenet --data "$work/damaged" >"$work/said" 2>&1
  local packed trained name
  earlybird search --dataset imagenet --arch resnet18 --image-size 64 --batch-size 3 --epochs 1 --report false --data "$work/damaged" \
    --save "$work/damaged-run" >"$work/trained" 2>&1
  packed=$(grep -c '^train' "$work/damaged-packed/bad.txt")
  trained=$(look metrics "$work/damaged-run") || { tail -n 1 "$work/trained"; return 1; }
  equal "pack leaves $packed out" "pack leaves ${trained#* } out" || return 1
  for name in whole damaged no_end; do
    equal "$name $(grep -q "train.*/$name" "$work/damaged-packed/bad.txt"; echo $?)" "$name $(grep -q "^DAMAGED.*$name" "$work/said"; echo $?)" || return 1
  done
}
one_image() {
  mkdir "$work/$1" && cp "$cases/D/$1.tar" "$work/$1/train-000000.tar" && cp "$cases/D/$1.tar" "$work/$1/val-000000.tar"
  verified imagenet "$work/$1" '1 1 1'
}
set_of() {
  local name=imagenet got
  case $1 in hf-cifar100) name=cifar100 ;; hf-cifar10 | hf-disk) name=cifar10 ;; esac
  cp -r "$cases/files/$1" "$work/$1" && gunzip -qr "$work/$1" 2>/dev/null
  got=$(counts "$name" "$work/$1")
  # A format that is not read must be refused in a sentence, and one that is read must be right.
  case $got in [0-9]*) ;; *) echo "$got" | tail -n 1; case $1 in hf-disk) exit 77 ;; *) return 1 ;; esac ;; esac
  equal "$got" "$(look expected "$cases/files/expected.json" "$1")"
}

# --- runs

two_runs() {
  bash "$cases/T2-16/make.sh" "$work/two" >"$work/said" 2>&1
  equal "$(grep -o 'exit code .*' "$work/said" | tr '\n' ' ')" 'exit code 1 exit code 0 exit code 1 exit code 0 ' || return 1
  grep -q 'is in use by process' "$work/two.second" || { tail -n 1 "$work/two.second"; return 1; }
  equal "$(look metrics "$work/two/other") $(look metrics "$work/two/same")" '4 0 8 0'
}
no_output() {
  [ -e /dev/full ] || { echo 'needs /dev/full'; exit 77; }
  mkdir "$work/output"
  bash "$cases/T2-17/make.sh" "$work/output" >"$work/said" 2>&1
  local line
  equal "$(grep -c 'exit code' "$work/said") answers" '2 answers' || return 1
  while read -r line; do
    case $line in *'code 0, epochs trained: 20' | *'code 130, '*) ;; *) echo "$line"; return 1 ;; esac
  done <"$work/said"
}
quota() {
  local group said
  [ "$(id -u)" = 0 ] || { echo 'needs root'; exit 77; }
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    group=/sys/fs/cgroup/eb-case
    mkdir -p $group 2>/dev/null && echo '100000 100000' 2>/dev/null >$group/cpu.max || { echo 'needs cgroups that can be written'; exit 77; }
  else
    group=/sys/fs/cgroup/cpu/eb-case
    mkdir -p $group 2>/dev/null && echo 100000 >$group/cpu.cfs_period_us && echo 100000 >$group/cpu.cfs_quota_us || { echo 'needs cgroups that can be written'; exit 77; }
  fi
  said=$(echo "$BASHPID" >$group/cgroup.procs; earlybird doctor 2>&1)
  echo "$BASHPID" >"$(dirname $group)/cgroup.procs"
  rmdir $group
  echo "$said" | grep -qiE 'quota' || { echo "doctor does not tell the quota: $(echo "$said" | grep -i thread)"; return 1; }
}
old_node() {
  local said
  echo "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.19.0' } });" >"$work/old.cjs"
  said=$(node -r "$work/old.cjs" "$root/dist/cli/main.js" search "${tiny[@]}" --save "$work/old" 2>&1) && return 1
  echo "$said"
  echo "$said" | grep -q 'install Node 20' && [ ! -e "$work/old" ]
}

# NAME COMMAND, in the order of the list in README.md.
table() {
  echo 'T2-16 two_runs
T2-08 shards_of
T2-11 nested
T2-13 numbers
T2-01 pruned '"$cases"'/T2-01/multistep.pth.tar
T2-02 pruned '"$cases"'/T2-02/nocrc.pth.tar
T2-03 beside_weights
T2-05 prefixes
T2-14 inks
T2-15 one_judge
T2-10 litter
T2-17 no_output
T2-22 optimisers
T2-26 quota
T2-28 old_node
D-3 negated
D-11-dotfiles one_image dotfiles
D-11-upper-case one_image upper-case-cls'
  local file
  for file in "$cases"/D/*.pt "$cases"/D/*.safetensors; do echo "D-$(basename "$file") inspected $file"; done
  for file in "$cases"/files/*/; do
    file=$(basename "$file")
    [ "$file" = checkpoints ] || echo "files-$file set_of $file"
  done
  look checkpoints "$cases/files/expected.json" | while read -r file plain; do echo "files-$file as_plain $file $plain"; done
}
while read -r name command; do
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  # shellcheck disable=SC2086
  check "$name" $command </dev/null
done < <(table)
exit $failed
