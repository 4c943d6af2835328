#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/peer.sh [ROUNDS [THREADS]]
#
# How many samples a second LeNet28 with two heads trains at, here and in PyTorch at its best settings: builds
# bench/peer_lenet.cpp with -O3 -march=native, gets a Python with PyTorch (scripts/oracle/venv.sh), runs both in turn
# for ROUNDS rounds (5), on one core, and on two too if THREADS is 2, and prints one table. It wants a machine that does
# nothing else: with two threads on busy cores PyTorch takes many times as long.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

build=build/peer
flags="-O3 -DNDEBUG"
{
  if [ "${MTLX_SETUP:-1}" != 0 ]; then scripts/setup.sh test; fi
  python=$(scripts/oracle/venv.sh)
  cmake -S . -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="${CXX:-g++}" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS_RELEASE="$flags" -DCMAKE_CXX_EXTENSIONS=OFF -DMTLX_BUILD_EXAMPLES=OFF -DMTLX_BUILD_TESTS=OFF \
    -DMTLX_BUILD_BENCHMARKS=ON
  cmake --build "$build" --target bench_peer_lenet
} >&2

echo "LeNet28, two heads, Adam, float: forward, backward and update; batches in memory"
echo "processor: $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), family $(sed -n 's/^cpu family\s*: //p' \
  /proc/cpuinfo | head -n 1) model $(sed -n 's/^model\s*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
echo "mtlx: $("${CXX:-g++}" --version | head -n 1), -std=c++20 $flags -march=native"
"$python" -c 'import platform, torch
print("peer: PyTorch", torch.__version__, "Python", platform.python_version(), torch.backends.cpu.get_cpu_capability()
      if hasattr(torch.backends, "cpu") else "")'
PYTHONDONTWRITEBYTECODE=1 "$python" bench/peer_lenet.py "$build/bench/bench_peer_lenet" "${1:-5}" "${2:-1}"
