#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: bench/grouping/affinity.sh [--data DIR] [--pictures N] [--epochs N] [--seed N] [--rounds N] [--only along|cost|groups]
#
# Builds bench/grouping/affinity.cpp with -O3 -march=native, and runs it. The program stays in build/grouping.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p build/grouping
"${CXX:-g++}" -std=c++20 -O3 -DNDEBUG -march=native -DMTLX_USE_ZLIB -Iinclude \
  -isystem "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" bench/grouping/affinity.cpp -o build/grouping/affinity -pthread -lz
exec build/grouping/affinity "$@"
