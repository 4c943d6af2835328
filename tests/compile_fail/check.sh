#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: check.sh [--mistake] COMPILER CASE.cpp [FLAG...]
#
# A case is a file with one mistake, and says near its top what the compiler must answer:
#
#   // expect: mtlx: a model needs exactly one sharing strategy
#
# It passes if
#   1. it does not compile, and the compiler prints exactly one line with `error:`, which holds the sentence;
#   2. with -DMTLX_FIXED it compiles with all our warnings on and not a word from the compiler: what is wrong is the
#      mistake, and nothing else.
# With --mistake the first alone: fixed.sh does the second for many cases at once.
set -euo pipefail
export LC_ALL=C

mistake_only=""
if [ "$1" = --mistake ]; then
  mistake_only=1
  shift
fi
compiler=$1
case=$2
shift 2
# Both compilations have the same flags, warnings too, so that one precompiled header serves them (precompile.sh).
flags=(-std=c++20 -fsyntax-only -fmessage-length=0 -Wall -Wextra -Wpedantic -Wshadow -Wconversion "$@")

fail() {
  printf 'FAILED %s: %s\n' "$(basename "$case")" "$1"
  [ -z "${2-}" ] || printf -- '--- the compiler said:\n%s\n' "$2" | head -n 60
  exit 1
}

[ -r "$case" ] || fail "no such file"
sentence=$(head -n 10 "$case" | sed -n 's|^// expect: *||p' | head -n 1)
[ -n "$sentence" ] || fail "no line '// expect: <the sentence>' among the first ten"
[[ $sentence == mtlx:* ]] || fail "the sentence must start with 'mtlx:', it is '$sentence'"
grep -q MTLX_FIXED "$case" || fail "the file has no corrected form under MTLX_FIXED"

if answer=$("$compiler" "${flags[@]}" "$case" 2>&1); then
  fail "it compiles, and must not"
fi
errors=$(grep -F 'error:' <<<"$answer" || true)
count=$(grep -cF 'error:' <<<"$answer" || true)
[ "$count" -eq 1 ] || fail "$count lines with 'error:', expected one" "${errors:-$answer}"
grep -qF -- "$sentence" <<<"$errors" || fail "the error is not '$sentence'" "$errors"

if [ -n "$mistake_only" ]; then
  printf 'ok %s: %s\n' "$(basename "$case")" "$sentence"
  exit
fi
if ! answer=$("$compiler" "${flags[@]}" -DMTLX_FIXED "$case" 2>&1); then
  fail "the corrected form does not compile" "$answer"
fi
[ -z "$answer" ] || fail "the corrected form compiles with warnings" "$answer"
printf 'ok %s: %s\n' "$(basename "$case")" "$sentence"
