#!/usr/bin/env bash
# cmake-js 8.0.0: `cmake-js compile` deletes the whole build folder, with files that it never made, when a source does not compile.
# Expected: a compiler error ends the build; what other builds have left in build/ stays. "try a full rebuild" in its help could be
# read as `cmake --build --clean-first`.
# Seen: `cmake -E remove_directory build`, then the same error again.
# Met when a repository was to keep several builds below build/.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "name": "removes", "binary": { "napi_versions": [8] } }' >package.json
cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.18)
project(removes LANGUAGES C CXX)
add_library(removes MODULE removes.c)
CMAKE
echo 'this is an error' >removes.c
npm install --silent --no-audit --no-fund --no-save cmake-js@8.0.0
for command in build compile; do
  mkdir -p build/another && touch build/another/file
  status=0
  node_modules/.bin/cmake-js "$command" >"$command.log" 2>&1 || status=$?
  echo "cmake-js $command: exit $status; build/another/file is $([ -e build/another/file ] && echo there || echo gone)"
  echo "$command $status $([ -e build/another/file ] && echo there || echo gone)" >>seen
done
diff seen - <<'SEEN'
build 1 there
compile 1 gone
SEEN
echo 'as described: compile removes build/'
