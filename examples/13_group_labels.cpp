// SPDX-License-Identifier: MIT
// Which of fourteen labels should share a network? Yeast: 103 numbers of a gene, and fourteen classes that it may belong to
// (scripts/data/yeast.sh makes the file). For a table of yours, change the tasks and the number of inputs.
//
//   13_group_labels FILE.csv
//
// Ten short trainings say which labels' steps help which others, and how sure that is; then one network for each group is
// trained. Labels that are rare make for affinities that are mostly noise: look at the intervals.
#include <cstdio>
#include <mtlx/data/csv.hpp>
#include <mtlx/data/multi_label.hpp>
#include <mtlx/data/parts.hpp>
#include <mtlx/grouping/task_affinity.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

template <Name column>
using Label = BinaryLabels<column, 1, nn::BinaryCrossEntropy, nn::RocAuc>;
using Labels = Tasks<Label<"label1">, Label<"label2">, Label<"label3">, Label<"label4">, Label<"label5">,
                     Label<"label6">, Label<"label7">, Label<"label8">, Label<"label9">, Label<"label10">,
                     Label<"label11">, Label<"label12">, Label<"label13">, Label<"label14">>;
using Trunk = nn::Sequential<nn::Dense<64>, nn::Relu, nn::Dropout<25>, nn::Dense<32>, nn::Relu, nn::Dropout<25>>;
using Model = MultiTask<Input<103>, Labels, sharing::Hard<Trunk>, grouping::TaskAffinity<>>;

int main(int count, char** words) try {
  if (count != 2) {
    std::fprintf(stderr, "usage: 13_group_labels FILE.csv; scripts/data/yeast.sh FILE.csv makes yeast's\n");
    return 2;
  }
  const data::Table table = data::read_csv(words[1]);
  data::Parts parts =
      data::split_in_three(data::multi_label(table, data::names_with(table, "label")), 0.2, 0.2, /*seed=*/1);
  data::normalise(parts.train, {&parts.validation, &parts.test});

  Model model{{.optimizer = {.learning_rate = 1e-3}, .grouping = {.groups = 3, .runs = 10, .epochs = 10}, .seed = 7}};
  model.fit(parts.train,
            {.epochs = 40, .batch_size = 64, .validation = &parts.validation, .early_stopping = {.patience = 6}});
  std::printf("\n%s", model.evidence().text.c_str());

  const auto scores = model.evaluate(parts.test);
  std::printf("\nOn %zu other genes, area under the curve:\n", parts.test.size());
  for (const auto name : Labels::names) std::printf("  %-8s %.4f\n", name.data(), scores.value(name, "roc_auc"));
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
