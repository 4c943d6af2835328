#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/compile_time.sh [rounds]
#
# How long the first example takes to compile, as a multiple of a file that only includes <Eigen/Core>: both with
# -O2 -march=native, in turn, the median of several rounds of processor time. Needs g++ (or CXX) and Eigen.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-5}
compiler=${CXX:-g++}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo '#include <Eigen/Core>' >"$folder/eigen.cpp"

# seconds FILE: processor time to compile it.
seconds() {
  local TIMEFORMAT='%U %S'
  { time "$compiler" -std=c++20 -O2 -march=native -DMTLX_USE_ZLIB -Iinclude -isystem /usr/include/eigen3 -c "$1" \
    -o "$folder/out.o"; } 2>&1 | awk '{print $1 + $2}'
}

median() { sort -n | awk '{n[NR] = $1} END {print n[int((NR + 1) / 2)]}'; }

for ((round = 0; round < rounds; ++round)); do
  seconds "$folder/eigen.cpp" >>"$folder/eigen"
  seconds examples/01_first_model.cpp >>"$folder/model"
done
awk -v eigen="$(median <"$folder/eigen")" -v model="$(median <"$folder/model")" -v compiler="$compiler" 'BEGIN {
  printf "%s -O2 -march=native: <Eigen/Core> %.2f s, examples/01_first_model.cpp %.2f s, %.2f times\n",
         compiler, eigen, model, model / eigen }'
