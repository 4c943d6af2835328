#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/test.sh
#
# Installs what is missing, then builds and tests in stages, each a preset of CMakePresets.json:
#   release    g++, -O3 -march=native: all tests, examples, a short run of the benchmarks
#   sanitize   clang++ with the address and undefined-behaviour sanitizers: the folders below, and every header alone
# Most of the time is the compilers', so that a preset optimises only tests that need it (MTLX_TEST_OPTIMISATION).
# It stops at the first stage that fails. Knobs, by environment:
#   MTLX_STAGES           the stages to run                        (release sanitize)
#   MTLX_JOBS             compilers and tests at a time            (the number of processors)
#   MTLX_SANITIZE_TESTS   folders of tests/ for that stage         (all but project)
#   MTLX_SETUP=0          install nothing
# In the sanitize stage test cases of the suite "slow" are left out.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

folders="core backend data nn sharing balancing grouping optim training study testing"
stages=${MTLX_STAGES:-release sanitize}
jobs=${MTLX_JOBS:-$(nproc)}
times=""

stage="setup"
trap 'status=$?; [ $status -eq 0 ] || echo "mtlx: FAILED in the stage $stage" >&2' EXIT

# run_stage PRESET [FOLDER...]: configures, builds, tests; of the tests only the named folders, if any are named.
run_stage() {
  local preset=$1 begin=$SECONDS target targets=() selection=() known
  shift
  stage=$preset
  echo "mtlx: ==== $preset ===="
  cmake --preset "$preset"
  if [ $# -gt 0 ]; then
    known=$(cmake --build "build/$preset" --target help)
    for target in "$@"; do
      # A folder without tests has no program.
      if grep -q "^mtlx_test_$target:" <<<"$known"; then targets+=("mtlx_test_$target"); fi
    done
    if [ "$preset" = sanitize ]; then targets+=(mtlx_headers_alone); fi
    selection=(--label-regex "$(IFS="|"; echo "^($*)\$")")
    [ ${#targets[@]} -gt 0 ] || { echo "mtlx: no tests in: $*" >&2; exit 1; }
    cmake --build "build/$preset" --parallel "$jobs" --target "${targets[@]}"
  else
    cmake --build "build/$preset" --parallel "$jobs"
  fi
  ctest --preset "$preset" --parallel "$jobs" "${selection[@]}"
  times+=" $preset $((SECONDS - begin)) s,"
}

if [ "${MTLX_SETUP:-1}" != 0 ]; then scripts/setup.sh test; fi
for name in $stages; do
  case $name in
    release) run_stage release ;;
    # The list is words on purpose.
    sanitize) run_stage sanitize ${MTLX_SANITIZE_TESTS:-$folders} ;;
    *)
      stage=$name
      echo "mtlx: no stage '$name', there are release and sanitize" >&2
      exit 2
      ;;
  esac
done

echo "mtlx: all tests passed:$times total $SECONDS s"
