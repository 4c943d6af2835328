#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/bench.sh [--quick] [--json FILE] [--only WORKLOAD...] [--threads 1|2] [--rounds N] [--check]
#                         [--against FILE] [--store FILE]
#
# One table of whole training steps on the processor, here and in PyTorch and LibTorch at their best settings: builds
# bench/peers/ours.cpp and libtorch.cpp with -O3 -march=native, gets a Python with PyTorch outside the tree
# (scripts/oracle/venv.sh; LibTorch is the C++ half of that package, and is left out where it can't be compiled
# against), checks that all do the same work (losses of five steps, per-task gradients' Gram matrix, outputs), and lets
# them take turns. It wants a machine that does nothing else: on busy cores ratios are wrong by factors, and with two
# threads PyTorch takes many times as long. bench/peers/compare.py says how it measures.
#
#   --quick     at most 5 minutes after set-up: shorter and fewer rounds, compiled peers for some workloads only
#   --json      the rows, settings, versions and flags also as JSON
#   --only      these workloads alone
#   --threads   of every program (1)
#   --against   see too whether a workload is slower than what FILE has stored: bench/peers/stored.json has what this
#               version reaches; a share of the measured peak more than 10 % lower is an error
#   --store     keep the ratios and shares of the peak in FILE
#   --check     only see whether all do the same work
#
# Workloads, float, Adam, batches in memory:
#   lenet_b64 lenet_b256  LeNet28 with two heads of ten classes, 28 x 28 pictures of one channel
#   mlp_plain             64-128-128 with nine binary heads, batch 128, the losses' sum
#   mlp_pcgrad            the same with PCGrad; the peers too find the projections on the Gram matrix
#   mlp_pcgrad_libmtl     the same; PyTorch projects flat gradients one by one, as LibMTL does (not LibTorch)
#   sr_cnn                3 convolutions 3x3, padding 1: 1 -> 64 -> 32 -> 1 channels, 48 x 48 patches, batch 16, mean
#                         squared error
#   sr_fsrcnn             FSRCNN(32, 8, 2) around a bilinear enlargement, 24 x 24 to 96 x 96, batch 16, mean absolute
#                         error: the smaller network of the study of super-resolution
#   predict_1             LeNet28 on one sample; ours gives probabilities, the peers scores (less work)
#   odd_lenet             3 channels, batch 50;   odd_mlp, odd_mlp_pcgrad: 37 inputs, batch 50
#   mlp_masked_9          nine tasks a step, each with its own mask over the trunk; mlp_masked_1: one task a step
#   mlp_lookahead         mlp_plain's losses; each step also tries every task's own gradient step on the batch, one more
#                         pass forward a task (TAG's affinity); the tasks' gradients serve both that and the update
#   mlp_first_order       the same to first order, from the Gram matrix
#
# The share of the peak counts the multiply-adds of dense layers and convolutions as two operations each: forward, and
# backward to the weights and, but for the first layer, to the inputs; with PCGrad the shared layers backward once a
# task, however few of them ours gets by with.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/bench_peers
compiler=${CXX:-g++}
flags=(-std=c++20 -O3 -DNDEBUG -march=native)
case " $* " in
  *" -h "* | *" --help "*)
    sed -n '3,/^set /s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

# compile PROGRAM SOURCE ARGUMENT...: unless nothing that it is made of has changed.
compile() {
  local program=$build/$1 source=$2
  shift 2
  local how
  how="$compiler $("$compiler" -dumpfullversion) ${flags[*]} $*"
  if [ -x "$program" ] && [ "$(cat "$program.how" 2>/dev/null)" = "$how" ] &&
    [ -z "$(find "$root/include" "$root/bench" -name '*.[ch]pp' -newer "$program" -print -quit)" ]; then
    return 0
  fi
  echo "bench: compiling ${source#"$root/"}"
  rm -f "$program"
  "$compiler" "${flags[@]}" "$source" -o "$program" "$@" && echo "$how" >"$program.how"
}

peers=()
{
  mkdir -p "$build"
  if [ "${MTLX_SETUP:-1}" != 0 ]; then "$root/scripts/setup.sh" test; fi
  python=$("$root/scripts/oracle/venv.sh")
  compile ours "$root/bench/peers/ours.cpp" -I"$root/include" -lbenchmark -lpthread
  torch=$("$python" -c 'import os, torch; print(os.path.dirname(torch.__file__))')
  abi=$("$python" -c 'import torch; print(int(torch.compiled_with_cxx11_abi()))')
  if compile libtorch "$root/bench/peers/libtorch.cpp" -isystem "$torch/include" \
    -isystem "$torch/include/torch/csrc/api/include" "-D_GLIBCXX_USE_CXX11_ABI=$abi" -L"$torch/lib" \
    "-Wl,-rpath,$torch/lib" -Wl,--unresolved-symbols=ignore-in-shared-libs -ltorch_cpu -lc10 \
    2>"$build/libtorch.log"; then
    peers=(--libtorch "$build/libtorch")
  else
    echo "bench: no LibTorch: compiling against $torch failed, see $build/libtorch.log"
  fi
} </dev/null >&2

exec "$python" -B "$root/bench/peers/compare.py" --ours "$build/ours" "${peers[@]}" --work "$build" \
  --flags "$("$compiler" --version | head -n 1), ${flags[*]}" "$@" </dev/null
