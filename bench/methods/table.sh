#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: bench/methods/table.sh fashion [--data FOLDER] [--seeds N] [--epochs N] [--samples N] [--jobs N] [--keep DIR] [--report DIR]
#        bench/methods/table.sh yeast --data FILE.csv [...]
#
# Trains with every balancer and prints a table over the seeds. Fourteen models take minutes to compile, so this is built
# here and by no preset. The program stays in build/methods.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=build/methods
mkdir -p "$folder"
compile() {
  "${CXX:-g++}" -std=c++20 -O3 -march=native -DMTLX_USE_ZLIB -Iinclude \
    -isystem "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" "$@"
}
for source in fashion yeast main; do
  compile -c "bench/methods/$source.cpp" -o "$folder/$source.o"
done
compile "$folder"/{fashion,yeast,main}.o -o "$folder/methods" -pthread -lz
exec "$folder/methods" "$@"
