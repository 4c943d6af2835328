// SPDX-License-Identifier: MIT
// Fourteen tasks of one kind, some of them rare: yeast, and two dense layers. scripts/data/yeast.sh makes the file.
#include <mtlx/data/csv.hpp>

#include "methods.hpp"

namespace methods {

namespace {

template <Name column>
using Label = BinaryLabels<column, 1, nn::BinaryCrossEntropy, nn::RocAuc>;
using Labels = Tasks<Label<"label1">, Label<"label2">, Label<"label3">, Label<"label4">, Label<"label5">,
                     Label<"label6">, Label<"label7">, Label<"label8">, Label<"label9">, Label<"label10">,
                     Label<"label11">, Label<"label12">, Label<"label13">, Label<"label14">>;

}  // namespace

study::Study yeast(const Arguments& arguments) {
  using Trunk = nn::Sequential<nn::Dense<64>, nn::Relu, nn::Dropout<25>, nn::Dense<32>, nn::Relu, nn::Dropout<25>>;
  if (arguments.data.empty()) fail("yeast needs its file: --data FILE.csv (scripts/data/yeast.sh makes it)");
  const data::Table table = data::read_csv(arguments.data);
  std::vector<std::string> tasks;
  std::vector<data::Column> targets;
  for (const auto name : Labels::names) {
    tasks.emplace_back(name);
    targets.push_back({tasks.back(), data::binary_from(table, {tasks.back()})});
  }
  const data::DataSet all(data::inputs_from(table, table.names(tasks)), targets);
  study::Options options{.title = "Balancers on yeast", .seeds = arguments.seeds};
  options.epochs = arguments.epochs > 0 ? arguments.epochs : 30;
  options.splits = {.test = 0.2, .validation = 0, .normalise = true};
  options.jobs = arguments.jobs;
  options.directory = arguments.keep;
  study::Progress progress;
  options.observer = &progress;
  return compare_all<Input<103>, Labels, Trunk>({.name = "yeast", .train = &all}, options);
}

}  // namespace methods
