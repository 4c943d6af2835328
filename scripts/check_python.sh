#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/check_python.sh
#
# Are the numbers that tests compare with still what PyTorch and its kin compute? Makes a virtual environment outside the tree the
# first time (scripts/oracle/venv.sh), recomputes, compares, and writes nothing in the tree. The last line is
# `N passed, N failed`. The numbers are stored anew with
#
#   scripts/check_python.sh --store
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

store=0
case ${1-} in
  "") ;;
  --store) store=1 ;;
  *)
    echo "usage: scripts/check_python.sh [--store]" >&2
    exit 2
    ;;
esac

if [ "${MTLX_SETUP:-1}" != 0 ]; then scripts/setup.sh run; fi
python=$(scripts/oracle/venv.sh)
export PYTHONDONTWRITEBYTECODE=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# check NAME COMMAND...
check() {
  local name=$1
  shift
  echo "==== $name"
  if "$@"; then
    passed=$((passed + 1))
  else
    echo "FAILED: $name" >&2
    failed=$((failed + 1))
  fi
}

# check_with MODULE NAME COMMAND...: where Python has the module. Debian has no package of them: without pip they are left out,
# and said so.
check_with() {
  local module=$1
  shift
  if "$python" -c "import $module" 2>/dev/null; then
    check "$@"
  else
    echo "==== $1: not checked, the Python package $module is not there"
  fi
}

# What is compared lies with the test that reads it, so the first steps of training come from the test's own model.
lenet() {
  local side=$1 csv=tests/training/oracle_lenet$1.csv mode=--check
  if [ $store = 1 ]; then mode=; fi
  mkdir -p "$work/lenet$side" && "$work/dump" "$work/lenet$side" steps "$side" &&
    "$python" scripts/oracle/lenet_adam.py $mode "$work/lenet$side" "$csv"
}

# stored SCRIPT FILE: what the script writes against what is stored, to 1e-12.
stored() {
  "$python" "scripts/oracle/$1" >"$work/found" || return 1
  if [ $store = 1 ]; then
    cp "$work/found" "$2"
  else
    "$python" scripts/oracle/same.py "$2" "$work/found" 1e-12
  fi
}

npy() {
  "${CXX:-g++}" -std=c++20 -O2 -Iinclude scripts/oracle/npy_copy.cpp -o "$work/npy_copy" &&
    "$python" scripts/oracle/npy_check.py "$work/npy_copy"
}

safetensors() {
  "${CXX:-g++}" -std=c++20 -O1 -Iinclude -isystem "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" \
    scripts/oracle/safetensors_copy.cpp -o "$work/safetensors_copy" -pthread &&
    "$python" scripts/oracle/safetensors_check.py "$work/safetensors_copy" "$work"
}

statistics() {
  Rscript --vanilla scripts/oracle/statistics.R >"$work/found" || return 1
  if [ $store = 1 ]; then
    cp "$work/found" tests/study/statistics_oracle.inc
  else
    "$python" scripts/oracle/same.py tests/study/statistics_oracle.inc "$work/found" 1e-12
  fi
}

build() {
  "${CXX:-g++}" -std=c++20 -O2 -Iinclude -Itests -isystem "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" \
    -DMTLX_USE_ZLIB scripts/oracle/dump.cpp -o "$work/dump" -pthread -lz
}

if build; then
  check "LeNet28, first steps" lenet 28
  check "LeNet36, first steps" lenet 36
else
  echo "FAILED: scripts/oracle/dump.cpp does not compile" >&2
  failed=$((failed + 1))
fi
check "optimizers and schedules" stored optimizers.py tests/optim/optimizer_oracle.inc
check "layers" stored layers.py tests/nn/layer_oracle.inc
check "losses" stored losses.py tests/nn/loss_oracle.inc
check "metrics" stored metrics.py tests/nn/metric_oracle.inc
check "loss weights" stored loss_weights.py tests/balancing/loss_weights_oracle.inc
check "balancing vectors" "$python" scripts/oracle/balancing_vectors.py --check tests/balancing/vectors.inc
check "trace norms" stored trace_norm.py tests/sharing/trace_norm_oracle.inc
check "mixtures of experts" stored sharing_experts.py tests/sharing/experts_oracle.inc
check "feature fusing" stored sharing_fusion.py tests/sharing/fusion_oracle.inc
check "clustering" stored clustering.py tests/grouping/clustering_oracle.inc
check "grouping statistics" stored grouping_statistics.py tests/grouping/statistics_oracle.inc
check "super-resolution" stored super_resolution.py tests/nn/super_resolution_oracle.inc
check "n-grams" stored ngrams.py tests/data/ngram_oracle.inc
check "preferences" stored preference.py tests/study/preference_oracle.inc
check "approximations" "$python" scripts/oracle/approximations.py include/mtlx/core/scalar.hpp
check "exp, log and tanh" "$python" scripts/oracle/pack_math.py include/mtlx/backend/pack_math.hpp
check "npy" npy
check_with safetensors "safetensors" safetensors
check_with tensorboard "event files" stored event_file.py tests/study/event_oracle.inc
check_with seqeval "spans" stored spans.py tests/nn/span_oracle.inc
check_with fontTools "fonts" stored fonts.py tests/data/glyph_fonts.inc
check_with cv2 "images" "$python" scripts/oracle/images.py --check tests/data/image_oracle.inc
check_with piq "picture quality" stored image_quality.py tests/nn/image_quality_oracle.inc
if command -v Rscript >/dev/null; then
  check "statistics" statistics
else
  echo "==== statistics: not checked, R is not there"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
