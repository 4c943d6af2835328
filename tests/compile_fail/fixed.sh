#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: fixed.sh COMPILER CASE.cpp... -- [FLAG...]
#
# The second half of check.sh for many cases at once: their corrected forms, each in a namespace of its own in one
# translation unit, compile with all our warnings on and not a word from the compiler. Their models have much in common,
# which is compiled once.
set -euo pipefail
export LC_ALL=C

compiler=$1
shift
cases=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  cases+=("$1")
  shift
done
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

{
  # Headers stand outside of all namespaces; the cases' own lines then include nothing.
  { grep -hoE '^#include <[^>]+>' "${cases[@]}" || true; } | sort -u
  for case in "${cases[@]}"; do
    printf 'namespace case_%s {\n#include "%s"\n}\n' "$(basename "$case" .cpp)" "$(realpath "$case")"
  done
} >"$folder/fixed.cpp"

# As in check.sh, for the precompiled header.
flags=(-std=c++20 -fsyntax-only -fmessage-length=0 -Wall -Wextra -Wpedantic -Wshadow -Wconversion "$@" -DMTLX_FIXED)
if ! answer=$("$compiler" "${flags[@]}" "$folder/fixed.cpp" 2>&1); then
  printf 'FAILED: a corrected form does not compile\n%s\n' "$answer" | head -n 60
  exit 1
fi
if [ -n "$answer" ]; then
  printf 'FAILED: a corrected form compiles with warnings\n%s\n' "$answer" | head -n 60
  exit 1
fi
printf 'ok: the corrected forms of %s cases\n' "${#cases[@]}"
