// SPDX-License-Identifier: MIT
// usage: gum FOLDER [--own-sentences] [--tune] [--seeds N] [--first-seed N] [--epochs N] [--jobs N] [--keep FOLDER]
//            [--report FOLDER]
//
// Parts of speech, chunks and entities (gum.hpp says in what): one network for all three, or one for each? Options are
// chosen, and training is stopped, by the dev file; the test file is looked at once a run.
//
// --own-sentences  each task learns from a third of the sentences, its own, and has a step to itself; else all learn from
//                  the same sentences in each step
// --tune           three learning rates for each strategy to choose among by the dev file; else all have 1e-3
// --keep           keeps finished runs, so that a study that was ended goes on
#include <cstdio>
#include <cstdlib>
#include <mtlx/mtlx.hpp>
#include <mtlx/study/compare.hpp>
#include <mtlx/study/report_text.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "gum.hpp"

using namespace mtlx;

// What a strategy is compared by: a line each, here and in main.
using Single = MultiTask<gum::In, gum::Tags, sharing::Single<gum::Trunk>>;
using Hard = MultiTask<gum::In, gum::Tags, sharing::Hard<gum::Trunk>>;

struct Arguments {
  std::string data, keep, report = "report";
  bool own_sentences = false, tune = false;
  std::size_t seeds = 10, first_seed = 1, epochs = 12;
  int jobs = 0;
};

Arguments arguments_of(int count, char** words) {
  Arguments all;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const auto next = [&]() -> std::string {
      if (++i == count) fail(word, " needs a value");
      return words[i];
    };
    const auto number = [&] {
      const std::string text = next();
      char* end = nullptr;
      const auto value = std::strtoull(text.c_str(), &end, 10);
      if (end == text.c_str() || *end != '\0') fail(word, " ", text, ": expected a number");
      return static_cast<std::size_t>(value);
    };
    if (word == "--own-sentences")
      all.own_sentences = true;
    else if (word == "--tune")
      all.tune = true;
    else if (word == "--seeds")
      all.seeds = number();
    else if (word == "--first-seed")
      all.first_seed = number();
    else if (word == "--epochs")
      all.epochs = number();
    else if (word == "--jobs")
      all.jobs = static_cast<int>(number());
    else if (word == "--keep")
      all.keep = next();
    else if (word == "--report")
      all.report = next();
    else if (all.data.empty() && !word.starts_with("--"))
      all.data = word;
    else
      fail("what is ", word, "? The head of bench/studies/gum.cpp says what this program takes");
  }
  if (all.data.empty()) fail("usage: gum FOLDER [OPTION]...; see the head of bench/studies/gum.cpp");
  return all;
}

template <class Model>
study::Candidate<Model> candidate(const char* name, const Arguments& arguments) {
  study::Candidate<Model> one{.name = name};
  for (const double rate : arguments.tune ? std::vector{5e-4, 1e-3, 2e-3} : std::vector{1e-3})
    one.tries.push_back({.optimizer = {.learning_rate = rate}});
  return one;
}

int main(int count, char** words) try {
  const Arguments arguments = arguments_of(count, words);
  const data::Corpus learnt_from = gum::corpus_of(arguments.data, "train");
  const gum::Text text(learnt_from);
  const data::DataSet train =
      arguments.own_sentences ? text.own_sentences(learnt_from) : text.same_sentences(learnt_from);
  const data::DataSet validation = text.same_sentences(gum::corpus_of(arguments.data, "dev"));
  const data::DataSet test = text.same_sentences(gum::corpus_of(arguments.data, "test"));

  study::Progress progress;
  study::Options options{.title = "GUM: parts of speech, chunks and entities"};
  options.seeds = arguments.seeds;
  options.first_seed = arguments.first_seed;
  options.epochs = arguments.epochs;
  options.batch_size = 256;
  options.sampling = training::Sampling::proportional;  // of each task's own sentences, where it has them
  options.early_stopping = {.patience = 4};
  options.monitor = gum::monitor;
  options.jobs = arguments.jobs;
  options.directory = arguments.keep;
  options.observer = &progress;
  const char* name =
      arguments.own_sentences ? "GUM, a third of the sentences for each task" : "GUM, the same sentences";
  const study::Study study =
      study::compare({.name = name, .train = &train, .test = &test, .validation = &validation}, options,
                     candidate<Single>("single-task", arguments),  // the baseline comes first
                     candidate<Hard>("hard sharing", arguments));
  std::printf("%s", study::report_text(study).c_str());
  study::write_report(study, arguments.report);
  std::printf("report: %s/report.html\n", arguments.report.c_str());
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
