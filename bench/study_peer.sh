#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: bench/study_peer.sh times [FOLDER] | fashion [FOLDER] | yeast [FOLDER] | tox21 FILE.csv [FOLDER]
#
# The studies beside the same in PyTorch, and what docs/results.md is made of. Builds ours with -O3 -march=native, gets a
# Python with PyTorch and scikit-learn outside the tree (scripts/oracle/venv.sh); FOLDER takes all files
# (build/study_peer).
#
#   times    wall time of the quick study (scripts/run.sh without arguments) and of the same in PyTorch, each a process of
#            its own from start to end, in turns: ours, as LibMTL trains it (with as many workers of the DataLoader as are
#            faster in one epoch, 0 or 2), ours, lean, ours. Two cores for each. Wants a machine that does nothing else.
#   fashion  scripts/run.sh --full, and PyTorch tuned over the same learning rates with as many epochs and seeds
#   yeast    ten splits of yeast (made by scripts/data/yeast.sh), and PyTorch and scikit-learn on the same splits
#   tox21    the same on Tox21, whose file must be given
set -euo pipefail

case ${1-} in
  times | fashion | yeast) what=$1 file='' folder=${2-} ;;
  tox21) what=$1 file=$(realpath "${2-}") folder=${3-} ;;
  *)
    sed -n '3,/^set /s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "${folder:=$root/build/study_peer}"
cd "$folder"

python=$("$root/scripts/oracle/venv.sh")
peer() { "$python" -B "$root/bench/studies/peer.py" "$@"; }
# build PROGRAM SOURCE
build() {
  echo "study_peer: compiling $2" >&2
  "${CXX:-g++}" -std=c++20 -O3 -DNDEBUG -march=native -I"$root/include" -isystem \
    "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" -DMTLX_USE_ZLIB "$root/$2" -o "$1" -pthread -lz
}

case $what in
  times)
    build fashion examples/multi_fashion.cpp
    # timed NAME COMMAND...
    timed() {
      local name=$1 begin end
      shift
      begin=$(date +%s.%N)
      taskset -c 0,1 "$@" >"$name.out" 2>"$name.err"
      end=$(date +%s.%N)
      awk -v name="$name" -v begin="$begin" -v end="$end" 'BEGIN { printf "%-12s %8.1f s\n", name, end - begin }' |
        tee -a times.txt
    }
    libmtl=("$python" -B "$root/bench/studies/peer.py" fashion --style libmtl --threads 2)
    rm -f times.txt
    echo "load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
    timed ours_1 ./fashion --threads 2 --report report
    timed one_epoch_2 "${libmtl[@]}" --workers 2 --epochs 1 --seeds 1 --only hard
    timed one_epoch_0 "${libmtl[@]}" --workers 0 --epochs 1 --seeds 1 --only hard
    workers=$(grep '^one_epoch' times.txt | sort -n -k 2 | sed 's/one_epoch_\(.\).*/\1/;q')
    timed ours_2 ./fashion --threads 2 --report report
    timed libmtl "${libmtl[@]}" --workers "$workers" --json libmtl.json
    timed ours_3 ./fashion --threads 2 --report report
    timed lean "$python" -B "$root/bench/studies/peer.py" fashion --style lean --jobs 2 --json lean.json
    timed ours_4 ./fashion --threads 2 --json ours.json
    awk '/^ours/ { n += 1; sum += $2 } /^libmtl / { libmtl = $2 } /^lean/ { lean = $2 }
      END { printf "ours %.1f s in the mean; LibMTL-like %.2f times, lean %.2f times\n", sum / n, libmtl * n / sum,
            lean * n / sum }' times.txt
    "$python" -B "$root/bench/studies/against.py" ours.json libmtl.json lean.json
    ;;
  fashion)
    build fashion examples/multi_fashion.cpp
    ./fashion --full --keep keep --report report_fashion
    peer fashion --style lean --jobs 2 --seeds 5 --epochs 5 --rates 3e-4,1e-3,3e-3 --json fashion.json
    "$python" -B "$root/bench/studies/against.py" report_fashion/study.json fashion.json
    ;;
  yeast)
    build yeast examples/08_study_of_your_csv.cpp
    [ -e yeast.csv ] || "$root/scripts/data/yeast.sh" yeast.csv
    ./yeast yeast.csv report_yeast
    peer yeast --data yeast.csv --json yeast.json
    "$python" -B "$root/bench/studies/against.py" report_yeast/study.json yeast.json
    ;;
  tox21)
    build tox21 bench/studies/tox21.cpp
    ./tox21 "$file" report_tox21
    peer tox21 --data "$file" --json tox21.json
    "$python" -B "$root/bench/studies/against.py" report_tox21/study.json tox21.json
    ;;
esac
