#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/lint.sh [--format|--tidy|--fix]
#
#   --format   are all sources formatted as .clang-format says? (seconds)
#   --tidy     clang-tidy, as .clang-tidy says, on files that reach every header (minutes); MTLX_TIDY_FILES names others
#   --fix      format the sources in place
# Without an argument: --format and --tidy.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

formatter=${CLANG_FORMAT:-clang-format-19}

need() {
  command -v "$1" >/dev/null && return
  echo "lint: $1 is missing: scripts/setup.sh lint" >&2
  exit 1
}

sources() {
  local folder
  for folder in include tests bench examples; do
    [ ! -d "$folder" ] || find "$folder" -type f \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu' \)
  done | sort
}

format() {
  need "$formatter"
  local files
  mapfile -t files < <(sources)
  if ! "$formatter" --dry-run -Werror "${files[@]}"; then
    echo "lint: not formatted; scripts/lint.sh --fix does it" >&2
    exit 1
  fi
  echo "lint: ${#files[@]} files are formatted"
}

tidy() {
  need clang-tidy
  local files begin=$SECONDS eigen
  # The two together include every header of the library.
  files=(tests/project/odr/first.cpp)
  mapfile -t -O 1 files < <(find tests/testing -name '*_test.cpp' 2>/dev/null | sort | head -n 1)
  if [ -n "${MTLX_TIDY_FILES-}" ]; then read -r -a files <<<"$MTLX_TIDY_FILES"; fi
  eigen=${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}
  clang-tidy --quiet "${files[@]}" -- -std=c++20 -Iinclude -Itests -isystem "$eigen" -DMTLX_SOURCE_DIR='"."'
  echo "lint: clang-tidy is content with ${files[*]} ($((SECONDS - begin)) s)"
}

case ${1-} in
  --format) format ;;
  --tidy) tidy ;;
  --fix)
    need "$formatter"
    sources | xargs -d '\n' "$formatter" -i
    ;;
  "")
    format
    tidy
    ;;
  *)
    echo "usage: scripts/lint.sh [--format|--tidy|--fix]" >&2
    exit 2
    ;;
esac
