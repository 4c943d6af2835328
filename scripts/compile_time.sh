#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/compile_time.sh [rounds]
#
# How long three programs take to compile, as multiples of a file that only includes <Eigen/Core>: everything included and
# nothing used, a small network of dense layers that is trained, and the first example (LeNet28). All with -O2
# -march=native, in turn, the median of several rounds of processor time. Needs g++ (or CXX) and Eigen.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-5}
compiler=${CXX:-g++}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

echo '#include <Eigen/Core>' >"$folder/eigen.cpp"
echo '#include <mtlx/mtlx.hpp>' >"$folder/all.cpp"
cat >"$folder/mlp.cpp" <<'END'
#include <mtlx/mtlx.hpp>
using namespace mtlx;
using Trunk = nn::Sequential<nn::Dense<128>, nn::Relu, nn::Dense<128>, nn::Relu>;
using Model = MultiTask<Input<64>, Tasks<Regression<"a", 1>, Regression<"b", 1>, Classification<"c", 5>>,
                        sharing::Hard<Trunk>>;
double train(const data::DataSet& train, const data::DataSet& test) {
  Model model;
  model.fit(train, {.epochs = 5});
  return model.evaluate(test).get<"c">().accuracy;
}
END
cp examples/01_first_model.cpp "$folder/lenet28.cpp"

# seconds FILE: processor time to compile it.
seconds() {
  local TIMEFORMAT='%U %S'
  { time "$compiler" -std=c++20 -O2 -march=native -DMTLX_USE_ZLIB -Iinclude -isystem /usr/include/eigen3 -c "$1" \
    -o "$folder/out.o"; } 2>&1 | awk '{print $1 + $2}'
}

median() { sort -n | awk '{n[NR] = $1} END {print n[int((NR + 1) / 2)]}'; }

for ((round = 0; round < rounds; ++round)); do
  for program in eigen all mlp lenet28; do seconds "$folder/$program.cpp" >>"$folder/$program"; done
done
for program in eigen all mlp lenet28; do
  awk -v eigen="$(median <"$folder/eigen")" -v its="$(median <"$folder/$program")" -v name="$program" 'BEGIN {
    printf "%-8s %6.2f s  %.2f times <Eigen/Core>\n", name, its, its / eigen }'
done
