#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: bench/studies/super_resolution.sh [--quick] [--photos FOLDER] [OPTION...]
#
# Builds the study of super-resolution as multi-task learning (super_resolution.cpp) and runs it; super_resolution.hpp says the
# options. Fetches the photos if they are not there. It goes on where it was ended, and prints the tables of
# docs/super_resolution.md. Needs stb (Debian: libstb-dev).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
photos=build/photos
made=
for ((i = 1; i <= $#; ++i)); do
  case ${!i} in
    --photos)
      next=$((i + 1))
      photos=${!next-}
      ;;
    --made | --tables) made=yes ;;
  esac
done
mkdir -p build
if [ -z "$made" ] && [ ! -e "$photos/photos.csv" ]; then
  scripts/data/photos.sh "$photos"
fi
"${CXX:-g++}" -std=c++20 -O3 -march=native -DNDEBUG -DMTLX_USE_STB -Iinclude \
  -isystem "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" bench/studies/super_resolution.cpp -o build/super_resolution_study \
  -pthread
exec build/super_resolution_study "$@"
