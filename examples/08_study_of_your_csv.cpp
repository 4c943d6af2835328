// SPDX-License-Identifier: MIT
// A study of your own data, from a CSV file with a column for each task: does one network for all tasks serve them better
// than a network for each? Ten random splits answer.
//
//   08_study_of_your_csv FILE.csv [FOLDER [KEEP [SPLITS]]]     the report goes to FOLDER (report); finished runs are kept in
//                                          KEEP, so that a study that was killed goes on; SPLITS: how many (10)
//
// As it stands it studies yeast (scripts/data/yeast.sh makes the file): 103 numbers of a gene, x1 to x103, and 14 columns
// label1 to label14 of 0, 1 or nothing, where a label is not known. For a file of yours, change the three parts that are
// marked. Without a file, a small made-up one of that form shows that it works.
#include <cstdio>
#include <mtlx/data/csv.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/study/compare.hpp>
#include <mtlx/study/report_text.hpp>
#include <string>
#include <vector>

using namespace mtlx;

// 1. The tasks, each with its column's name. Others: Regression<"price", 1>, Classification<"kind", 3>; kinds mix.
template <Name column>
using Label = BinaryLabels<column, 1, nn::BinaryCrossEntropy, nn::RocAuc>;
using Labels = Tasks<Label<"label1">, Label<"label2">, Label<"label3">, Label<"label4">, Label<"label5">,
                     Label<"label6">, Label<"label7">, Label<"label8">, Label<"label9">, Label<"label10">,
                     Label<"label11">, Label<"label12">, Label<"label13">, Label<"label14">>;
constexpr int inputs = 103;

// 2. The network, and who shares it. On so few samples small first weights do better than the default's, He's.
using Trunk = nn::Sequential<nn::Dense<128, nn::pytorch_uniform>, nn::Relu, nn::Dropout<25>,
                             nn::Dense<64, nn::pytorch_uniform>, nn::Relu, nn::Dropout<25>>;
using Single = MultiTask<Input<inputs>, Labels, sharing::Single<Trunk>>;
using Hard = MultiTask<Input<inputs>, Labels, sharing::Hard<Trunk>>;

// 3. From columns to inputs and targets: every column that is no task is an input. values_from and classes_from make the
//    targets of the other kinds, FeatureOptions inputs of text or with gaps.
data::DataSet data_of(const data::Table& table) {
  std::vector<std::string> tasks;
  std::vector<data::Column> targets;
  for (const auto name : Labels::names) {
    tasks.emplace_back(name);
    targets.push_back({tasks.back(), data::binary_from(table, {tasks.back()})});
  }
  return {data::inputs_from(table, table.names(tasks)), targets};
}

// Each label says whether a sum of four inputs is above 0.
data::Table made_up() {
  Random random(1, Purpose::user);
  std::vector<data::TableColumn> columns(inputs + Labels::count);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    columns[c].name = c < inputs ? join("x", c + 1) : std::string(Labels::names[c - inputs]);
    for (std::size_t row = 0; row < 300; ++row) {
      double sum = 0;
      for (std::size_t i = 0; i < 4 && c >= inputs; ++i) sum += columns[c - inputs + i].numbers[row];
      columns[c].numbers.push_back(c < inputs ? random.normal() : sum > 0 ? 1 : 0);
    }
  }
  return {"made-up data", std::move(columns)};
}

// The same learning rates for each model to choose among.
template <class Model>
study::Candidate<Model> candidate(const char* name) {
  study::Candidate<Model> one{.name = name};
  for (const double rate : {3e-4, 1e-3, 3e-3}) one.tries.push_back({.optimizer = {.learning_rate = rate}});
  return one;
}

int main(int count, char** words) try {
  const bool given = count > 1;
  const data::Table table = given ? data::read_csv(words[1]) : made_up();
  const data::DataSet all = data_of(table);

  study::Progress progress;
  study::Options options{.title = "One network for all labels, or one for each"};
  options.seeds = count > 4 ? std::stoul(words[4])
                  : given   ? 10
                            : 3;  // each draws its own test and validation samples: a fifth each
  options.splits = {.test = 0.2, .validation = 0.25, .normalise = true};
  options.epochs = given ? 60 : 5;
  options.early_stopping = {.patience = 8};  // by the validation loss; the best epoch's weights are kept
  options.jobs = 0;                          // as many as there are cores
  options.observer = &progress;
  if (count > 3) options.directory = words[3];
  const study::Study study = study::compare({.name = table.name(), .train = &all}, options,
                                            candidate<Single>("single-task"), candidate<Hard>("hard sharing"));

  std::printf("%s", study::report_text(study).c_str());
  const std::string folder = count > 2 ? words[2] : "report";
  study::write_report(study, folder);
  std::printf("report: %s/report.html\n", folder.c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
