#!/usr/bin/env bash
# Builds the addon with the compiler and C library of another Linux, in a chroot, and runs it there: loading, a small training, the C++
# tests. Needs root, debootstrap, the keys of the archives (ubuntu-archive-keyring, debian-archive-keyring), and this clone set up
# (node_modules, dist, .libtorch). UBUNTU_KEYRING: where Ubuntu's keys lie, on systems without that package.
#   test/stress/old-systems.sh [--keep DIR] [--no-tests] [--built] [debian:SUITE|ubuntu:SUITE ...]
# Prints a line for each system, and ends with 1 if one failed. --keep: the chroots stay in DIR and are used again. --no-tests: not the
# C++ tests. --built: nothing is built, the addon of this clone is loaded there.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
keep='' tests=1 built='' systems=()
while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=$2; shift ;;
    --no-tests) tests='' ;;
    --built) built=1 tests='' ;;
    *) systems+=("$1") ;;
  esac
  shift
done
[ ${#systems[@]} -gt 0 ] || systems=(debian:bullseye ubuntu:noble)
folder=${keep:-$(mktemp -d)}
mkdir -p "$folder"

declare -A ARCHIVE=([debian]=http://deb.debian.org/debian [ubuntu]=http://archive.ubuntu.com/ubuntu)
keys=/usr/share/keyrings
declare -A KEYS=([debian]=$keys/debian-archive-keyring.gpg [ubuntu]=${UBUNTU_KEYRING:-$keys/ubuntu-archive-keyring.gpg})
declare -A PARTS=([debian]=main [ubuntu]=main,universe)
declare -A JPEG=([debian]=libjpeg62-turbo-dev [ubuntu]=libjpeg-turbo8-dev)
MOUNTED=(node_modules .libtorch)
[ -z "$built" ] || MOUNTED+=(build)

unmount() {
  local name
  for name in node_modules .libtorch build; do ! mountpoint -q "$1/src/$name" || umount "$1/src/$name"; done
  ! mountpoint -q "$1/proc" || umount "$1/proc"
}

# A folder is removed only once nothing of this clone is mounted in it.
clean() {
  local system
  for system in "${systems[@]}"; do unmount "$folder/${system#*:}" || return; done
  [ -n "$keep" ] || rm -rf "$folder"
}
trap clean EXIT

prepare() {
  local distribution=${1%:*} suite=${1#*:} where=$folder/${1#*:} name packages script=()
  packages=g++,make,ninja-build,cmake,ca-certificates,${JPEG[$distribution]}
  # Older debootstraps do not know newer Ubuntus, which are all made alike.
  [ -e "/usr/share/debootstrap/scripts/$suite" ] || script=(/usr/share/debootstrap/scripts/gutsy)
  if [ ! -e "$where/usr/bin/cmake" ]; then
    debootstrap --force-check-gpg --keyring "${KEYS[$distribution]}" --variant=minbase \
      --components="${PARTS[$distribution]}" --include="$packages" "$suite" "$where" "${ARCHIVE[$distribution]}" "${script[@]}" \
      >"$where.log" 2>&1
  fi
  # The oldest Node that is supported, from npm; it needs glibc 2.28.
  [ -e "$folder/node/node_modules" ] || npm install --silent --no-audit --no-fund --prefix "$folder/node" node@20.19
  cp "$folder/node/node_modules/node/bin/node" "$where/usr/bin/node"
  mkdir -p "$where/src"
  (cd "$root" && git ls-files -z | tar --null -T - -c && tar -c dist) | tar -x -i -C "$where/src"
  for name in "${MOUNTED[@]}"; do
    mkdir -p "$where/src/$name"
    mountpoint -q "$where/src/$name" || mount --bind -o ro "$root/$name" "$where/src/$name"
  done
  mountpoint -q "$where/proc" || mount -t proc proc "$where/proc"
}

inside() { chroot "$1" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root EARLYBIRD_KERNELS=rule sh -c "cd /src && $2"; }

TRAINING='node dist/cli/main.js train --arch vgg --depth 11 --cfg 16 M 16 M 32 32 M 64 64 M 64 64 --device cpu --threads 1
  --dataset synthetic --limit-train 96 --limit-test 32 --batch-size 32 --test-batch-size 32 --schedule 3 --lr 0.05 -sr --seed 3
  --detector-window 2 --detector-threshold 1 --epochs 3 --percent 0.3 --no-measure --save /tmp/run'

check() {
  local where=$folder/${1#*:} log=$folder/${1#*:}.check.log
  prepare "$1" || { echo "$1: cannot be prepared; see $where.log"; return 1; }
  local libc compiler
  libc=$(inside "$where" 'ldd --version | head -1 | grep -o "[0-9.]*$"')
  compiler=$(inside "$where" 'c++ --version | head -1')
  echo "$1: glibc $libc, $compiler" >&2
  [ -n "$built" ] || inside "$where" 'node scripts/build.mjs --native-only' >"$log" 2>&1 || { echo "$1: does not build; see $log"; return 1; }
  inside "$where" "rm -rf /tmp/run && $(echo $TRAINING)" >"$log.train" 2>&1 || { echo "$1: does not train; see $log.train"; return 1; }
  local weights said='not run' made=$compiler
  [ -z "$built" ] || made='the addon of this clone'
  weights=$(cd "$where/tmp/run" && find . -name '*.pth.tar' | LC_ALL=C sort | xargs cat | sha256sum | cut -c1-16)
  if [ -n "$tests" ]; then
    inside "$where" 'cd $(dirname $(dirname $(find build -name earlybird.node | head -1))) &&
      cmake --build . --target earlybird_tests && ./earlybird_tests' >"$log.tests" 2>&1 ||
      { echo "$1: C++ tests failed; see $log.tests"; return 1; }
    said="$(grep -c '^ok ' "$log.tests") passed"
  fi
  echo "$1: glibc $libc, $made: loads, trains (weights $weights); C++ tests: $said"
}

wrong=0
for system in "${systems[@]}"; do check "$system" || wrong=1; done
exit $wrong
