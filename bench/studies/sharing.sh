#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: bench/studies/sharing.sh fashion|gum [GUM's FOLDER] [OPTION...]
#
# Builds the study of sharing strategies and runs it; sharing.hpp says the options. It goes on where it was ended, and
# prints the table of docs/sharing.md.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
data=${1-}
case $data in
  fashion | gum) shift ;;
  *)
    sed -n 's/^# usage: /usage: /p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
mkdir -p build
"${CXX:-g++}" -std=c++20 -O3 -march=native -DNDEBUG -DMTLX_USE_ZLIB -Iinclude \
  -isystem "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" "bench/studies/sharing_$data.cpp" -o "build/sharing_$data" -pthread -lz
exec "build/sharing_$data" "$@"
