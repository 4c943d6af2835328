#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/gpu_check.sh [FOLDER]
#
# All that needs a GPU, by one command and without a network: builds tests/gpu/conformance.cpp, tests/gpu/parity.cpp and
# bench/gpu/step.cpp with plain g++ against the CUDA toolkit, runs them, runs a small part of parity under
# compute-sanitizer, times PyTorch (bench/gpu/peer.py), and writes FOLDER/report.txt and FOLDER/report.json (build/gpu):
# every stage's outcome, the times, and their ratios. A stage that fails does not stop the others. The status is 1 if
# one failed or if none passed. Programs and logs lie in build/gpu/work. Knobs, by environment:
#   MTLX_GPU_STAGES    the stages, in this order             (conformance parity sanitizer bench peers)
#   MTLX_GPU_PROGRAMS  a folder with conformance, parity and step: nothing is compiled
#   MTLX_GPU_PEERS     a report.json or peer.json whose PyTorch times serve instead of new ones
#   MTLX_GPU_TIMEOUT   the most seconds that a program runs  (300)
#   CUDA_HOME, CXX, PYTHON
set -euo pipefail

case ${1-} in
  -*)
    echo "usage: scripts/gpu_check.sh [FOLDER]" >&2
    exit 2
    ;;
esac
stages=${MTLX_GPU_STAGES-conformance parity sanitizer bench peers}
read -r -a wanted <<<"$stages"
for stage in "${wanted[@]}"; do
  case $stage in
    conformance | parity | sanitizer | bench | peers) ;;
    *)
      echo "mtlx: no stage $stage: conformance, parity, sanitizer, bench, peers" >&2
      exit 2
      ;;
  esac
done

# absolute PATH: as seen from where the caller is.
absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }

folder=${1:+$(absolute "$1")}
programs=${MTLX_GPU_PROGRAMS:+$(absolute "$MTLX_GPU_PROGRAMS")}
peers=${MTLX_GPU_PEERS:+$(absolute "$MTLX_GPU_PEERS")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

folder=${folder:-$PWD/build/gpu}
work=$PWD/build/gpu/work
built=${programs:-$work}
limit=${MTLX_GPU_TIMEOUT:-300}
compiler=${CXX:-g++}
python=${PYTHON:-python3}
mkdir -p "$folder" "$work"
rm -f "$work/given"
if [ -n "$peers" ] && [ -r "$peers" ]; then
  cp "$peers" "$work/given"  # it may be one of those that go now
fi
rm -f "$work"/*.log "$work"/*.json "$work"/*.tsv
if [ -z "$programs" ]; then rm -f "$work/conformance" "$work/parity" "$work/step"; fi
outcomes=$work/stages.tsv
# What runs when this is ended ends too. (A trap waits for a command, but not for `wait`.)
child=
trap 'if [ -n "$child" ]; then kill "$child"; fi' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
passed=0 failed=0
: >"$outcomes"

wants() { [[ " ${wanted[*]} " == *" $1 "* ]]; }

# outcome NAME passed|failed|skipped SECONDS [WHY]
outcome() {
  local why=${4-}
  why=${why//[$'\t\n\r']/ }
  printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$why" >>"$outcomes"
  echo "mtlx: $1: $2${why:+: $why} ($3 s)"
  case $2 in
    passed) passed=$((passed + 1)) ;;
    failed) failed=$((failed + 1)) ;;
  esac
}

seconds_since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN {printf "%.1f", to - from}'; }
last_line() { grep -v '^[[:space:]]*$' "$1" | tail -n 1 | cut -c 1-200 || true; }

# attempt NAME COMMAND...: runs it within the limit and says in `why` what went wrong; its status is 0 if nothing did.
attempt() {
  local log=$work/$1.log status=0
  shift
  why=
  timeout -k 10 "$limit" "$@" >"$log" 2>&1 &
  child=$!
  wait "$child" || status=$?
  child=
  case $status in
    0) ;;
    124 | 137) why="ended after the limit of $limit s, or killed; $(last_line "$log")" ;;
    *) why="status $status; $(last_line "$log")" ;;
  esac
  return "$status"
}

# stage NAME COMMAND...
stage() {
  local name=$1 begin=$EPOCHREALTIME
  shift
  echo "==== $name"
  if attempt "$name" "$@"; then
    outcome "$name" passed "$(seconds_since "$begin")"
  else
    outcome "$name" failed "$(seconds_since "$begin")" "$why"
  fi
}

# program_stage NAME PROGRAM ARGUMENT...: skipped where there is no such program.
program_stage() {
  local name=$1 program=$2
  shift 2
  if [ ! -x "$built/$program" ]; then
    outcome "$name" skipped 0 "no program $program${programs:+ in $programs}"
  else
    stage "$name" "$built/$program" "$@"
  fi
}

find_cuda() {
  local nvcc candidate libraries
  nvcc=$(command -v nvcc || true)
  if [ -n "$nvcc" ]; then nvcc=$(dirname "$(dirname "$(readlink -f "$nvcc")")"); fi
  for candidate in "${CUDA_HOME-}" "${CUDA_PATH-}" "$nvcc" /usr/local/cuda; do
    [ -n "$candidate" ] || continue
    for libraries in lib64 lib "targets/$(uname -m)-linux/lib"; do
      if [ -e "$candidate/include/nvrtc.h" ] && [ -e "$candidate/$libraries/libcudart_static.a" ]; then
        cuda=$candidate
        cuda_libraries=$candidate/$libraries
        return 0
      fi
    done
  done
  return 1
}

# compile PROGRAM SOURCE
compile() {
  local status=0
  timeout -k 10 "$limit" "$compiler" -std=c++20 -O2 -march=native -Iinclude -isystem "$cuda/include" "$2" \
    -o "$work/$1" -L"$cuda_libraries" "-Wl,-rpath,$cuda_libraries" -lnvrtc -lcudart_static -ldl -lrt -lpthread \
    >"$work/build_$1.log" 2>&1 || status=$?
  echo "$status" >"$work/$1.status"
}

build() {
  local begin program log
  declare -A sources=() jobs=()
  if wants conformance; then sources[conformance]=tests/gpu/conformance.cpp; fi
  if wants parity || wants sanitizer; then sources[parity]=tests/gpu/parity.cpp; fi
  if wants bench; then sources[step]=bench/gpu/step.cpp; fi
  [ ${#sources[@]} -gt 0 ] || return 0
  echo "==== build"
  if [ -z "$cuda" ]; then
    outcome build failed 0 "no CUDA toolkit with nvrtc.h and libcudart_static.a; CUDA_HOME names one"
    return 0
  fi
  begin=$EPOCHREALTIME
  for program in "${!sources[@]}"; do
    if [ "$(nproc)" -ge 4 ]; then
      compile "$program" "${sources[$program]}" &
      jobs[$program]=$!
    else
      compile "$program" "${sources[$program]}"
    fi
  done
  for program in "${!jobs[@]}"; do wait "${jobs[$program]}"; done
  for program in "${!sources[@]}"; do
    if [ "$(cat "$work/$program.status")" = 0 ]; then
      outcome "build_$program" passed "$(seconds_since "$begin")"
    else
      rm -f "$work/$program"
      log=$work/build_$program.log
      outcome "build_$program" failed "$(seconds_since "$begin")" \
        "${sources[$program]}: $(grep -m 1 -i 'error' "$log" || last_line "$log")"
    fi
    rm -f "$work/$program.status"
  done
}

sanitize() {
  local tool begin found=
  for found in "$(command -v compute-sanitizer || true)" "${cuda:+$cuda/bin/compute-sanitizer}"; do
    if [ -x "$found" ]; then break; fi
    found=
  done
  for tool in memcheck racecheck; do
    if [ -z "$found" ]; then
      outcome "$tool" skipped 0 "no compute-sanitizer"
    elif [ ! -x "$built/parity" ]; then
      outcome "$tool" skipped 0 "no program parity${programs:+ in $programs}"
    else
      echo "==== $tool"
      begin=$EPOCHREALTIME
      if attempt "$tool" "$found" --tool "$tool" --error-exitcode 86 --print-limit 20 "$built/parity" --smoke; then
        # A sanitizer that never saw a kernel says nothing; one that did counts.
        if grep -q 'SUMMARY: 0 ' "$work/$tool.log"; then
          outcome "$tool" passed "$(seconds_since "$begin")"
        else
          outcome "$tool" failed "$(seconds_since "$begin")" "no summary of no errors; $(last_line "$work/$tool.log")"
        fi
      elif grep -qi 'device not supported' "$work/$tool.log"; then
        outcome "$tool" skipped "$(seconds_since "$begin")" "compute-sanitizer does not support this device"
      else
        outcome "$tool" failed "$(seconds_since "$begin")" "$why"
      fi
    fi
  done
}

time_peers() {
  if [ -n "$peers" ]; then
    if [ -e "$work/given" ]; then
      mv "$work/given" "$work/peer.json"
      outcome peers skipped 0 "times from $peers"
    else
      outcome peers failed 0 "cannot read $peers"
    fi
  elif ! "$python" -c 'import torch' 2>/dev/null; then
    outcome peers skipped 0 "$python has no PyTorch"
  else
    stage peers "$python" bench/gpu/peer.py --json "$work/peer.json"
  fi
}

fact() { printf '%s\t%s\n' "$1" "${2//[$'\t\n\r']/ }" >>"$work/facts.tsv"; }

begun=$EPOCHREALTIME
cuda='' cuda_libraries='' why=''
find_cuda || true
fact date "$(date -u '+%Y-%m-%d %H:%M UTC')"
commit=$(git rev-parse --short HEAD 2>/dev/null || true)
if [ -n "$commit" ] && [ -n "$(git status --porcelain 2>/dev/null)" ]; then commit="$commit and changes"; fi
fact commit "${commit:-unknown}"
fact command "MTLX_GPU_STAGES='${wanted[*]}' scripts/gpu_check.sh"
gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -n 1 || true)
fact gpu "${gpu:-none found by nvidia-smi}"
release=$("${cuda:-/usr/local/cuda}/bin/nvcc" --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/\1/p' || true)
fact cuda "${release:-unknown}"
fact compiler "$("$compiler" --version 2>/dev/null | head -n 1 || echo "no $compiler")"
fact processor "$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
if [ -z "$gpu" ]; then echo "mtlx: nvidia-smi finds no GPU here: what needs one will fail" >&2; fi

# After every stage, so that a run that is cut off leaves a report of what was done.
report() { "$python" -B bench/gpu/report.py "$work" "$folder"; }
so_far() { report >/dev/null 2>&1 || true; }

if [ -z "$programs" ]; then build; fi
if wants conformance; then program_stage conformance conformance; so_far; fi
if wants parity; then program_stage parity parity; so_far; fi
if wants sanitizer; then sanitize; so_far; fi
if wants bench; then program_stage bench step --json "$work/step.json"; so_far; fi
if wants peers; then time_peers; fi
fact seconds "$(seconds_since "$begun")"

if ! report; then
  echo "mtlx: the report is not whole: bench/gpu/report.py failed or complains; the outcomes are in $outcomes" >&2
  failed=$((failed + 1))
fi
echo "$passed passed, $failed failed: $folder/report.txt"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
