#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: bench/study_peer.sh times [FOLDER [TURNS]] | fashion [FOLDER] | yeast [FOLDER [SPLITS]]
#                          | tox21 FILE.csv [FOLDER [SPLITS]]
#
# The studies beside the same in PyTorch, and what docs/results.md is made of. Builds ours with -O3 -march=native, gets a
# Python with PyTorch and scikit-learn outside the tree (scripts/oracle/venv.sh); FOLDER takes all files
# (build/study_peer).
#
#   times    wall time of the quick study (scripts/run.sh without arguments) and of the same in PyTorch, each a process of
#            its own from start to end. A turn is ours, as LibMTL trains it (with as many workers of the DataLoader as are
#            faster in one epoch, 0 or 2), ours, lean, ours; there are TURNS of them (3). Each turn has a ratio, of a peer's
#            time to the mean of ours before and after it; it prints their geometric mean, and the smallest and the largest.
#            Two cores for each. Wants a machine that does nothing else.
#   fashion  scripts/run.sh --full, and PyTorch tuned over the same learning rates with as many epochs and seeds
#   yeast    SPLITS (10) random splits of yeast (made by scripts/data/yeast.sh), and PyTorch and scikit-learn on the same
#            splits; ends with the comparison. Killed and called again it goes on where it was, and more splits add to those
#            that are there. Runs of an older library are not told from new ones: after a change, give another FOLDER.
#   tox21    the same on Tox21, whose file must be given
set -euo pipefail

case ${1-} in
  times | fashion | yeast) what=$1 file='' folder=${2-} number=${3-} ;;
  tox21) what=$1 file=$(realpath "${2-}") folder=${3-} number=${4-} ;;
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
# build PROGRAM SOURCE: unless it is newer than all that it is made of
build() {
  if [ -x "$1" ] && [ -z "$(find "$root/include" "$root/$2" -newer "$1" -type f -print -quit)" ]; then
    return
  fi
  echo "study_peer: compiling $2" >&2
  "${CXX:-g++}" -std=c++20 -O3 -DNDEBUG -march=native -I"$root/include" -isystem \
    "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" -DMTLX_USE_ZLIB "$root/$2" -o "$1" -pthread -lz
}
# table NAME SOURCE FILE: a study of a table, and its peers
table() {
  build "$1" "$2"
  ./"$1" "$3" "report_$1" "keep_$1" "${number:-10}"
  peer "$1" --data "$3" --seeds "${number:-10}" --json "$1.json"
  "$python" -B "$root/bench/studies/against.py" "report_$1/study.json" "$1.json"
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
    ours() { timed ours ./fashion --threads 2 --report report --json ours.json; }
    libmtl=("$python" -B "$root/bench/studies/peer.py" fashion --style libmtl --threads 2)
    rm -f times.txt
    echo "load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
    timed one_epoch_2 "${libmtl[@]}" --workers 2 --epochs 1 --seeds 1 --only hard
    timed one_epoch_0 "${libmtl[@]}" --workers 0 --epochs 1 --seeds 1 --only hard
    workers=$(grep '^one_epoch' times.txt | sort -n -k 2 | sed 's/one_epoch_\(.\).*/\1/;q')
    ours
    for ((turn = 0; turn < ${number:-3}; ++turn)); do
      timed libmtl "${libmtl[@]}" --workers "$workers" --json libmtl.json
      ours
      timed lean "$python" -B "$root/bench/studies/peer.py" fashion --style lean --jobs 2 --json lean.json
      ours
    done
    echo "load after: $(cut -d ' ' -f 1-3 /proc/loadavg)"
    awk '$1 == "ours" { if (peer != "") { r = log(2 * theirs / (before + $2)); n[peer] += 1; sum[peer] += r
          if (n[peer] == 1 || r < low[peer]) low[peer] = r
          if (n[peer] == 1 || r > high[peer]) high[peer] = r }
        before = $2; all += $2; count += 1; peer = "" }
      $1 == "libmtl" || $1 == "lean" { peer = $1; theirs = $2 }
      END { printf "ours %.1f s in the mean of %d\n", all / count, count
        for (p in n) printf "%s: %.2f times ours (%.2f to %.2f in %d turns)\n", p, exp(sum[p] / n[p]), exp(low[p]),
            exp(high[p]), n[p] }' times.txt
    "$python" -B "$root/bench/studies/against.py" ours.json libmtl.json lean.json
    ;;
  fashion)
    build fashion examples/multi_fashion.cpp
    ./fashion --full --keep keep --report report_fashion
    peer fashion --style lean --jobs 2 --seeds 5 --epochs 5 --rates 3e-4,1e-3,3e-3 --json fashion.json
    "$python" -B "$root/bench/studies/against.py" report_fashion/study.json fashion.json
    ;;
  yeast)
    [ -e yeast.csv ] || "$root/scripts/data/yeast.sh" yeast.csv
    table yeast examples/08_study_of_your_csv.cpp yeast.csv
    ;;
  tox21)
    table tox21 bench/studies/tox21.cpp "$file"
    ;;
esac
