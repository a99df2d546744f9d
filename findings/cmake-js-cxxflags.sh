#!/usr/bin/env bash
# cmake-js 8.0.0: CXXFLAGS of the environment has no effect, on systems where CMake alone honours it.
# Expected: CMake starts CMAKE_CXX_FLAGS from CXXFLAGS, so that a definition given there reaches the compiler.
# Seen: cmake-js gives -DCMAKE_CXX_FLAGS=-DBUILDING_NODE_EXTENSION on the command line, which replaces it without a warning; CFLAGS is kept.
# Met when a build driven by cmake-js was compared with the same build by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{ "name": "flags", "binary": { "napi_versions": [8] } }' >package.json
cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.18)
project(flags LANGUAGES C CXX)
file(WRITE ${CMAKE_BINARY_DIR}/flags.txt "C: ${CMAKE_C_FLAGS}\nC++: ${CMAKE_CXX_FLAGS}\n")
CMAKE
npm install --silent --no-audit --no-fund --no-save cmake-js@8.0.0
export CFLAGS=-DFROM_CFLAGS CXXFLAGS=-DFROM_CXXFLAGS
cmake --version | head -1
cmake -S . -B plain >/dev/null
node_modules/.bin/cmake-js configure --out driven >/dev/null
echo 'CMake alone:' && cat plain/flags.txt
echo 'cmake-js:' && cat driven/flags.txt
grep -qx 'C++: -DFROM_CXXFLAGS' plain/flags.txt
grep -qx 'C: -DFROM_CFLAGS' driven/flags.txt
grep -qx 'C++: -DBUILDING_NODE_EXTENSION' driven/flags.txt
echo 'as described: cmake-js drops CXXFLAGS'
