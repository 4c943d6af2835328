#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/run.sh [argument of the main job...]
#
# Installs what the main job needs, builds it with -O3 -march=native, and runs it: examples/multi_fashion.cpp, a study of
# single-task learning against hard sharing on Multi-Fashion. It ends with the answer and the path of its report
# (build/run/report/report.html, or --report DIR). --full does all there is, --help says the rest. It runs where you are,
# so that paths mean what you think. Everything but the job's own output goes to standard error.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/run

{
  "$root/scripts/setup.sh" run
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="${CXX:-g++}" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS_RELEASE="-O3 -DNDEBUG" -DMTLX_NATIVE=ON -DMTLX_BUILD_EXAMPLES=ON -DMTLX_BUILD_TESTS=OFF \
    -DMTLX_BUILD_BENCHMARKS=OFF
  cmake --build "$build" --target example_multi_fashion
} </dev/null >&2

exec "$build/examples/example_multi_fashion" --report "$build/report" "$@"
