#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: bench/grouping/truth.sh [balancing] --glyphs FOLDER --gum FOLDER --yeast FILE [OPTION...]
#
# Builds the study "do affinities tell the truth?" (truth.cpp) and runs it, or that of grouping with balancing (balancing.cpp);
# sets.hpp says the options. It goes on where it was ended, and prints the tables of docs/grouping.md. Sources that are not
# given are left out; glyphs need FreeType.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
program=truth
if [ "${1-}" = balancing ]; then
  program=balancing
  shift
fi
freetype=()
if pkg-config --exists freetype2; then
  read -ra freetype <<<"-DMTLX_USE_FREETYPE $(pkg-config --cflags --libs freetype2)"
fi
mkdir -p build/grouping
"${CXX:-g++}" -std=c++20 -O3 -march=native -DNDEBUG -DMTLX_USE_ZLIB -Iinclude \
  -isystem "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" "bench/grouping/$program.cpp" -o "build/grouping/$program" -pthread \
  "${freetype[@]}" -lz
exec "build/grouping/$program" "$@"
