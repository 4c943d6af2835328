#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: precompile.sh COMPILER HEADER OUTPUT [FLAG...]
#
# Precompiles a header with the flags of check.sh: most of what a case costs is reading the same headers again. Both
# compilers take HEADER.gch (g++) or HEADER.pch (clang++) at -include HEADER.
set -euo pipefail

compiler=$1
header=$2
output=$3
shift 3
mkdir -p "$(dirname "$output")"
"$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-pragma-once-outside-header -w "$@" \
  -x c++-header "$header" -o "$output.new"
mv "$output.new" "$output"
