// SPDX-License-Identifier: MIT
// usage: tox21 FILE.csv [FOLDER [KEEP [SPLITS]]]
//
// Tox21: 12 toxicity assays of 7831 molecules, of which many were not made (up to 26 % of an assay's labels are missing).
// One network for all assays, or one for each? SPLITS (10) random splits; the report goes to FOLDER (report). Finished runs
// are kept in KEEP, so that a study that was killed goes on. A molecule's inputs are its SMILES's runs of 1 to 4 characters,
// hashed to 1024 features; no chemistry is known to the network.
//
// FILE.csv is MoleculeNet's tox21.csv (docs/results.md says what it looks like and its checksum), packed or not: a column
// an assay with 1, 0 or nothing, and `smiles`. It is no part of mtlx.
#include <cstdio>
#include <mtlx/data/csv.hpp>
#include <mtlx/data/ngram.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/study/compare.hpp>
#include <mtlx/study/report_text.hpp>
#include <string>
#include <vector>

using namespace mtlx;

template <Name column>
using Assay = BinaryLabels<column, 1, nn::BinaryCrossEntropy, nn::RocAuc>;
using Assays = Tasks<Assay<"NR-AR">, Assay<"NR-AR-LBD">, Assay<"NR-AhR">, Assay<"NR-Aromatase">, Assay<"NR-ER">,
                     Assay<"NR-ER-LBD">, Assay<"NR-PPAR-gamma">, Assay<"SR-ARE">, Assay<"SR-ATAD5">, Assay<"SR-HSE">,
                     Assay<"SR-MMP">, Assay<"SR-p53">>;
constexpr int features = 1024;
using Trunk = nn::Sequential<nn::Dense<128, nn::pytorch_uniform>, nn::Relu, nn::Dropout<25>,
                             nn::Dense<64, nn::pytorch_uniform>, nn::Relu, nn::Dropout<25>>;
using Single = MultiTask<Input<features>, Assays, sharing::Single<Trunk>>;
using Hard = MultiTask<Input<features>, Assays, sharing::Hard<Trunk>>;

data::DataSet data_of(const data::Table& table) {
  std::vector<data::Column> targets;
  for (const auto name : Assays::names)
    targets.push_back({std::string(name), data::binary_from(table, {std::string(name)})});
  return {
      data::ngrams_from(table, "smiles", {.features = features, .longest = 4, .scale = data::NgramScale::logarithm}),
      targets};
}

template <class Model>
study::Candidate<Model> candidate(const char* name) {
  study::Candidate<Model> one{.name = name};
  for (const double rate : {3e-4, 1e-3, 3e-3}) one.tries.push_back({.optimizer = {.learning_rate = rate}});
  return one;
}

int main(int count, char** words) try {
  if (count < 2) fail("usage: tox21 FILE.csv [FOLDER [KEEP [SPLITS]]]");
  const data::DataSet all = data_of(data::read_csv(words[1]));
  study::Progress progress;
  study::Options options{.title = "Tox21: one network for all assays, or one for each"};
  options.seeds = count > 4 ? std::stoul(words[4]) : 10;
  if (count > 3) options.directory = words[3];
  options.splits = {.test = 0.2, .validation = 0.25, .normalise = true};
  options.epochs = 60;
  options.early_stopping = {.patience = 8};
  options.jobs = 0;
  options.observer = &progress;
  const study::Study study = study::compare({.name = "Tox21", .train = &all}, options, candidate<Single>("single-task"),
                                            candidate<Hard>("hard sharing"));
  std::printf("%s", study::report_text(study).c_str());
  const std::string folder = count > 2 ? words[2] : "report";
  study::write_report(study, folder);
  std::printf("report: %s/report.html\n", folder.c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
