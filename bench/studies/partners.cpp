// SPDX-License-Identifier: MIT
// usage: partners FILE.csv [FOLDER]
//
// Tecator: water, fat and protein of 215 samples of meat, from their absorbance at 100 wavelengths. Which of the three
// gains, and which loses, when another is learned beside it? Ten random splits, six trainings each: every target alone and
// every two, of one network; the table goes to standard output, and as partners.csv into FOLDER (partners), which keeps the
// runs. Targets are measured in deviations of the training samples, so an rmse of 1 is to know nothing.
//
// FILE.csv (packed or not) has the columns x_001 to x_100, water, fat, protein. It is no part of mtlx.
//
//   g++ -std=c++20 -O3 -DNDEBUG -march=native -Iinclude -isystem /usr/include/eigen3 -DMTLX_USE_ZLIB
//     bench/studies/partners.cpp -o build/partners -pthread -lz
#include <cmath>
#include <cstdio>
#include <mtlx/data/csv.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/study/partners.hpp>
#include <string>
#include <vector>

using namespace mtlx;

using Parts = Tasks<Regression<"water", 1>, Regression<"fat", 1>, Regression<"protein", 1>>;
using Trunk =
    nn::Sequential<nn::Dense<64, nn::pytorch_uniform>, nn::Relu, nn::Dense<32, nn::pytorch_uniform>, nn::Relu>;
using Hard = MultiTask<Input<100>, Parts, sharing::Hard<Trunk>>;

// Targets less the training samples' mean, over their deviation.
void standardise(study::Parts& parts, std::uint64_t) {
  std::vector<double> means, deviations;
  for (const data::Column& column : parts.train.streams()[0].columns) {
    const double n = static_cast<double>(column.targets.size());
    double mean = 0, squares = 0;
    for (std::size_t i = 0; i < column.targets.size(); ++i) mean += static_cast<double>(column.targets.value(i)) / n;
    for (std::size_t i = 0; i < column.targets.size(); ++i)
      squares += std::pow(static_cast<double>(column.targets.value(i)) - mean, 2) / n;
    means.push_back(mean), deviations.push_back(std::sqrt(squares));
  }
  for (data::DataSet* part : {&parts.train, &parts.validation, &parts.test}) {
    std::vector<data::Column> columns = part->streams()[0].columns;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      std::vector<float> values;
      for (std::size_t i = 0; i < columns[c].targets.size(); ++i)
        values.push_back(
            static_cast<float>((static_cast<double>(columns[c].targets.value(i)) - means[c]) / deviations[c]));
      columns[c].targets = data::Targets::values(1, std::move(values));
    }
    *part = data::DataSet(part->streams()[0].inputs, std::move(columns));
  }
}

int main(int count, char** words) try {
  if (count < 2) fail("usage: partners FILE.csv [FOLDER]");
  const data::Table table = data::read_csv(words[1]);
  std::vector<std::string> names;
  std::vector<data::Column> targets;
  for (const auto name : Parts::names) {
    names.emplace_back(name);
    targets.push_back({names.back(), data::values_from(table, {names.back()})});
  }
  const data::DataSet all(data::inputs_from(table, table.names(names)), targets);
  const std::string folder = count > 2 ? words[2] : "partners";
  study::Progress progress;
  study::Options options{.seeds = 10, .epochs = 600, .batch_size = 32};
  options.splits = {.test = 0.2, .validation = 0.25, .normalise = true, .prepare = standardise};
  options.early_stopping = {.patience = 60};
  options.directory = folder;
  options.observer = &progress;
  const study::Partners found = study::partners<Hard>({.name = "Tecator", .train = &all}, options,
                                                      {.tries = {{.optimizer = {.learning_rate = 1e-3}}}});
  const std::string table_text = csv(found);
  std::printf("%s%s\n", table_text.c_str(), study::answer(found).c_str());
  write_file(folder + "/partners.csv", table_text);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
