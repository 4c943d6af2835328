// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/f1.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/study/compare.hpp>

#include <bit>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "data/temporary.hpp"

using namespace mtlx;
using study::Candidate;
using study::Study;

namespace {

using Side = Classification<"side", 2, nn::SoftmaxCrossEntropy, nn::Metrics<nn::Accuracy, nn::MacroF1>>;
using Pair = Tasks<Side, Regression<"height", 1>>;
using Trunk = nn::Sequential<nn::Dense<3>, nn::Tanh>;
using Single = MultiTask<Input<2>, Pair, sharing::Single<Trunk>, optim::Sgd>;
using Hard = MultiTask<Input<2>, Pair, sharing::Hard<Trunk>, balancing::PcGrad, optim::Sgd>;
/// Trains a little, and then takes one network where the seed is odd, else two.
struct BySeed {
  static constexpr auto kind = Kind::grouping;
  grouping::Plan find(grouping::Workshop& workshop) const {
    const TaskSet all = TaskSet::first(2), one = TaskSet::only(0), other = TaskSet::only(1);
    workshop.train({.members = all, .steps = 1});
    if (workshop.seed() % 2 == 1) return {{{all, all}}, {}};
    return {{{one, one}, {other, other}}, {}};
  }
};
using Finding = MultiTask<Input<2>, Pair, sharing::Hard<Trunk>, BySeed, optim::Sgd>;

/// Points, which side of a line they are on, and their height over it, or `sign` times it.
data::DataSet points(std::size_t count, std::uint64_t stream, float sign = 1) {
  Random random(3, Purpose::user, stream);
  std::vector<float> x(2 * count), height(count);
  std::vector<int> side(count);
  for (std::size_t i = 0; i < count; ++i) {
    x[2 * i] = static_cast<float>(random.normal());
    x[2 * i + 1] = static_cast<float>(3 + 2 * random.normal());
    height[i] = sign * (x[2 * i] - x[2 * i + 1] + 3);
    side[i] = height[i] > 0 ? 1 : 0;
  }
  return {data::Inputs(Shape{2}, x),
          {{"side", data::Targets::classes(side)}, {"height", data::Targets::values(1, height)}}};
}
const data::DataSet& train() {
  static const data::DataSet set = points(57, 1);
  return set;
}
const data::DataSet& test() {
  static const data::DataSet set = points(31, 2);
  return set;
}

Single::Options rate(double learning_rate) { return {.optimizer = {.learning_rate = learning_rate}}; }
Hard::Options hard_rate(double learning_rate) { return {.optimizer = {.learning_rate = learning_rate}}; }

std::string digits(const std::vector<double>& numbers) {
  std::string text;
  for (const double number : numbers) text += study::detail::hexadecimal(std::bit_cast<std::uint64_t>(number)) + " ";
  return text + "\n";
}
/// Every bit of a study, but for times.
std::string tables(const Study& study) {
  std::string text = study.title + "\n" + study.data + "\n" + digits({study.test_to_train, study.margin});
  for (const auto& [name, value] : study.settings) text += join(name, ": ", value, "\n");
  for (const study::CandidateRecord& c : study.candidates) {
    text += join(c.name, "\n", c.type, "\n", c.tries, " ", c.parameters, " ", c.multiply_adds, " ", c.bytes, "\n");
    for (const auto& [name, value] : c.settings) text += join(name, ": ", value, "\n");
    text += digits(c.try_scores);
  }
  for (const study::RunRecord& r : study.runs) {
    text += join(r.candidate, " ", r.split, " ", r.seed, " ", r.error, "\n");
    for (const auto* numbers :
         {&r.metrics, &r.more_metrics, &r.losses, &r.validation_losses, &r.validation_metrics, &r.cluster_metrics})
      text += digits(*numbers);
    for (const study::EpochRecord& e : r.epochs) {
      text += join(e.epoch, "\n");
      for (const auto* numbers :
           {&e.losses, &e.validation_losses, &e.validation_metrics, &e.cosines, &e.conflicts, &e.weights, &e.lengths})
        text += digits(*numbers);
    }
  }
  return text;
}
std::string run_text(const study::RunRecord& run) {
  Study one;
  one.runs = {run};
  one.runs[0].candidate = 0;
  return tables(one);
}

struct Lines : study::Observer {
  std::vector<std::string> plans, lines;
  void on_begin(std::string_view plan) override { plans.emplace_back(plan); }
  void on_run(const study::RunRecord&, std::string_view line) override {
    // Times are apart.
    lines.emplace_back(line.substr(0, line.rfind(" (")));
  }
};

/// Single and Hard on fixed data or on random splits.
Study both(const study::Options& options, bool fixed = true, const Candidate<Single>& single = {.name = "single"},
           const Candidate<Hard>& hard = {.name = "hard"}) {
  return study::compare<Single, Hard>({.train = &train(), .test = fixed ? &test() : nullptr}, options, single, hard);
}
doctest::String refusal(const study::Options& options, const Candidate<Single>& single = {.name = "single"},
                        const Candidate<Hard>& hard = {.name = "hard"}, const data::DataSet* other = nullptr) {
  return error_of([&] {
    study::compare<Single, Hard>({.train = other != nullptr ? other : &train(), .test = &test()}, options, single,
                                 hard);
  });
}

const study::Options quick{.seeds = 2, .epochs = 3, .batch_size = 16, .splits = {.validation = 0.2}};
study::Options kept(const std::string& directory) {
  study::Options options = quick;
  options.directory = directory;
  return options;
}

}  // namespace

TEST_CASE("a study is what its runs would be alone, for any number of jobs") {
  study::Options options{.title = "two ways",
                         .seeds = 3,
                         .first_seed = 5,
                         .epochs = 4,
                         .batch_size = 16,
                         .splits = {.test = 0.25, .validation = 0.2, .normalise = true},
                         .early_stopping = {.patience = 2},
                         .margin = 1};
  const Candidate<Hard> hard{.tries = {{.optimizer = {.learning_rate = 0.05}, .backend = {.threads = 2}, .seed = 9}}};
  const Study one = both(options, false, {.name = "single", .tries = {rate(0.05)}}, hard);
  options.jobs = 2;
  const Study two = both(options, false, {.name = "single", .tries = {rate(0.05)}}, hard);
  CHECK(tables(one) == tables(two));

  CHECK(one.title == "two ways");
  CHECK(one.margin == 1);
  CHECK(one.data == "34 samples to train on, 9 to validate, 14 to test, drawn anew for each seed");
  CHECK(one.test_to_train == 14.0 / 34);
  REQUIRE(one.tasks.size() == 2);
  CHECK(one.tasks[0].name == "side");
  CHECK(one.tasks[0].metric == "accuracy");
  CHECK(one.tasks[0].higher_is_better);
  REQUIRE(one.tasks[0].more.size() == 1);
  CHECK(one.tasks[0].more[0].name == "f1");
  CHECK(one.tasks[0].more[0].higher_is_better);
  CHECK(one.tasks[1].more.empty());
  CHECK(one.tasks[1].metric == "rmse");
  CHECK_FALSE(one.tasks[1].higher_is_better);
  REQUIRE(one.candidates.size() == 2);
  CHECK(one.candidates[0].name == "single");
  CHECK(one.candidates[1].name == "Hard + PcGrad + Sgd");
  CHECK(one.candidates[0].parameters == 9 + 8 + 9 + 4);
  CHECK(one.candidates[1].parameters == 9 + 8 + 4);
  CHECK(one.candidates[1].multiply_adds == 6 + 6 + 3);
  CHECK(one.candidates[1].bytes == 2 * 4 * (9 + 8 + 4));
  CHECK(one.candidates[1].predict_microseconds > 0);
  CHECK(one.candidates[1].settings[1] == std::pair<std::string, std::string>("optimizer.learning_rate", "0.05"));

  REQUIRE(one.runs.size() == 6);
  for (std::size_t r = 0; r < 6; ++r) {
    CAPTURE(r);
    const study::RunRecord& run = one.runs[r];
    CHECK(run.candidate == r % 2);
    CHECK(run.seed == 5 + r / 2);
    CHECK(run.split == r / 2);
    CHECK(run.train_seconds > 0);
    CHECK_FALSE(run.failed());
    REQUIRE(run.epochs.size() >= 3);
    CHECK(run.epochs[2].epoch == 3);
    CHECK(run.epochs[0].cosines.size() == (r % 2 == 0 ? 0 : 4));
    CHECK(run.epochs[0].lengths.size() == (r % 2 == 0 ? 0 : 2));
    if (r % 2 == 0) CHECK(run.epochs[0].weights == std::vector<double>{1, 1});
  }
  // The last run by hand.
  auto [rest, tested] = data::split(train(), 0.75, 7);
  auto [trained, validated] = data::split(rest, 0.8, ~std::uint64_t{7});
  data::normalise(trained, {&validated, &tested});
  Hard model{{.optimizer = {.learning_rate = 0.05}, .seed = 7}};
  model.fit(trained, {.epochs = 4, .batch_size = 16, .validation = &validated, .early_stopping = {.patience = 2}});
  const auto scores = model.evaluate(tested), on_validation = model.evaluate(validated);
  const auto same = [](const std::vector<double>& a, const auto& b) {
    return digits(a) == digits(std::vector<double>(b.begin(), b.end()));
  };
  CHECK(same(one.runs[5].metrics, scores.metrics()));
  CHECK(same(one.runs[5].more_metrics, std::vector<double>{scores.get<"side">().f1}));
  CHECK(same(one.runs[5].losses, scores.losses()));
  CHECK(same(one.runs[5].validation_losses, on_validation.losses()));
  CHECK(same(one.runs[5].validation_metrics, on_validation.metrics()));
}

TEST_CASE("clusters are kept together, and those of a test set judged one by one") {
  const Temporary folder;
  data::Clusters of_train(1), of_test(1);
  for (std::size_t i = 0; i < 57; ++i) of_train[0].push_back(i / 5);
  for (std::size_t i = 0; i < 31; ++i) of_test[0].push_back(i < 2 ? 7 : i % 3);  // 0, 1, 2 and 7
  const study::Data drawn{.train = &train(), .clusters = &of_train},
      given{.train = &train(), .test = &test(), .clusters = &of_train, .test_clusters = &of_test};
  const auto on = [&](const study::Data& data, const study::Options& options) {
    return study::compare<Single, Hard>(data, options, {.name = "single"}, {.name = "hard"});
  };
  // Of 12 clusters round(0.8 x 12) = 10 stay and 8 of these train.
  const Study by_split = on(drawn, quick);
  CHECK(by_split.test_to_train == 2.0 / 8);
  CHECK(by_split.runs[0].cluster_metrics.empty());
  CHECK(by_split.settings[6] == std::pair<std::string, std::string>("drawn at random", "whole clusters, of 12"));

  const Study one = on(given, kept(folder.path()));
  REQUIRE(one.runs[3].cluster_metrics.size() == 4 * 2);
  auto [trained, validated] = data::split(train(), of_train, 0.8, ~std::uint64_t{0});
  Hard model{{.seed = 2}};
  model.fit(trained.data, {.epochs = 3, .batch_size = 16, .validation = &validated.data});
  const data::DataSet seven = data::take(test(), 2);
  const auto scores = model.evaluate(seven).metrics();
  CHECK(digits({one.runs[3].cluster_metrics[6], one.runs[3].cluster_metrics[7]}) == digits({scores[0], scores[1]}));
  Lines lines;
  study::Options again = kept(folder.path());
  again.observer = &lines;
  CHECK(tables(on(given, again)) == tables(one));
  CHECK(lines.lines.empty());
  CHECK(error_of([&] { on({.train = &train(), .test_clusters = &of_test}, quick); }) ==
        "mtlx: study: test_clusters are of a test set, and there is none; give clusters");
  CHECK(error_of([&] { on({.train = &train(), .test = &test(), .test_clusters = &of_train}, quick); }) ==
        "mtlx: clusters: stream 0 has 31 samples, and its list 57 entries");
}

TEST_CASE("a model without a name has that of its policies") {
  CHECK(study::detail::policy_names("mtlx::MultiTask<mtlx::Input<4, 1, 1>, mtlx::Tasks<mtlx::A<{{108, 0}}, 3>>, "
                                    "mtlx::sharing::Hard<mtlx::B<5, &mtlx::c>, mtlx::D >, Own>") == "Hard + Own");
  CHECK(study::detail::policy_names("mine::Model") == "Model");
}

TEST_CASE("the same type twice is the same runs; a shift of the seed makes others") {
  const Study study = study::compare<Single, study::Named<"again", Single>, Single>(
      {.train = &train(), .test = &test()}, quick, {.name = "once"}, {}, {.name = "shifted", .seed_shift = 1});
  REQUIRE(study.runs.size() == 6);
  CHECK(study.test_to_train == 0);
  CHECK(study.candidates[1].name == "again");
  CHECK(run_text(study.runs[0]) == run_text(study.runs[1]));
  CHECK(run_text(study.runs[3]) == run_text(study.runs[4]));
  CHECK(run_text(study.runs[0]) != run_text(study.runs[2]));
  // The first seed, shifted by one, is the second but for its name.
  study::RunRecord shifted = study.runs[2];
  CHECK(shifted.seed == 1);
  shifted.seed = 2;
  CHECK(run_text(shifted) == run_text(study.runs[3]));
}

TEST_CASE("the study in docs/studies.md") {
  const Temporary folder;
  const data::DataSet images = points(57, 1), tests = points(31, 2);
  Lines progress;
  const std::vector<Single::Options> single_rates{rate(0.01), rate(0.1)};
  const std::vector<Hard::Options> hard_rates{hard_rate(0.01), hard_rate(0.1)};

  const study::Study study = study::compare<Single, Hard>(
      {.name = "points", .train = &images, .test = &tests},
      {.seeds = 2, .epochs = 3, .jobs = 2, .directory = folder.path() + "/study", .observer = &progress},
      {.name = "single-task", .tries = single_rates}, {.name = "hard sharing", .tries = hard_rates});

  CHECK(study.runs.size() == 4);
  CHECK(study.candidates[1].tries == 2);
  CHECK(study.candidates[1].settings[0].second == "Sgd");
}

TEST_CASE("a training that fails is recorded, and the others go on") {
  for (const int jobs : {1, 2}) {
    study::Options options = quick;
    options.jobs = jobs;
    Lines lines;
    options.observer = &lines;
    const Study study = both(options, true, {.name = "single"}, {.name = "hard", .tries = {hard_rate(1e30)}});
    REQUIRE(study.runs.size() == 4);
    for (const study::RunRecord& run : study.runs) {
      CHECK(run.failed() == (run.candidate == 1));
      REQUIRE(run.metrics.size() == 2);
      CHECK(is_nan(run.metrics[1]) == run.failed());
      CHECK(is_nan(run.losses[0]) == run.failed());
      REQUIRE(run.more_metrics.size() == 1);
      CHECK(is_nan(run.more_metrics[0]) == run.failed());
    }
    CHECK(study.runs[1].error.find("is not finite") != std::string::npos);
    REQUIRE(lines.plans.size() == 1);
    // 3 x 46 samples x 3 epochs x (21 + 15) multiply-adds x 2 seeds
    CHECK(lines.plans[0] == "4 runs of 3 epochs, 3e+04 multiply-adds");
    REQUIRE(lines.lines.size() == 4);
    if (jobs == 1) {
      CHECK(lines.lines[1] == "2 of 4: hard, seed 1: " + study.runs[1].error);
      CHECK(lines.lines[2].find("3 of 4: single, seed 2: side accuracy 0.") == 0);
    }
  }
}

TEST_CASE("options are chosen on validation samples alone, and test samples change nothing but test results") {
  // On the test set the best is to have learned nothing: its answers are the opposite.
  const data::DataSet opposite = points(31, 2, -1), validation = points(20, 3);
  study::Options options = quick;
  options.tuning_seeds = 2;
  Lines lines;
  options.observer = &lines;
  const Candidate<Single> single{.name = "single", .tries = {rate(0), rate(0.1), rate(1e30)}};
  const Candidate<Hard> hard{.name = "hard", .tries = {hard_rate(1e30), hard_rate(0), hard_rate(0.1)}};
  const auto on = [&](const data::DataSet& tested) {
    return study::compare<Single, Hard>({.train = &train(), .test = &tested, .validation = &validation}, options,
                                        single, hard);
  };
  const Study a = on(opposite), b = on(test());
  CHECK(a.candidates[0].tries == 3);
  REQUIRE(a.candidates[0].try_scores.size() == 3);
  CHECK(a.candidates[0].try_scores[1] < a.candidates[0].try_scores[0]);
  CHECK(is_nan(a.candidates[0].try_scores[2]));
  CHECK(is_nan(a.candidates[1].try_scores[0]));
  for (const study::CandidateRecord& c : a.candidates)
    CHECK(c.settings[1] == std::pair<std::string, std::string>("optimizer.learning_rate", "0.1"));
  REQUIRE(lines.lines.size() == 2 * (12 + 4));
  CHECK(lines.plans[0] == "4 runs of 3 epochs and 12 to choose options, 1.5e+05 multiply-adds");
  CHECK(lines.lines[0].find("1 of 16: single, try 1 of 3: validation ") == 0);

  Study blind_a = a, blind_b = b;
  for (Study* study : {&blind_a, &blind_b}) {
    for (auto& [name, value] : study->settings)
      if (name == "data checksum") value.clear();
    for (study::RunRecord& run : study->runs) run.metrics.clear(), run.more_metrics.clear(), run.losses.clear();
  }
  CHECK(tables(blind_a) == tables(blind_b));
  CHECK(a.runs[0].metrics[1] > b.runs[0].metrics[1]);

  // A monitor of one's own: who loses most is best.
  options.monitor = [](const training::Epoch& epoch) { return -epoch.validation_losses[1]; };
  const Study worst = on(test());
  CHECK(worst.candidates[0].settings[1].second == "0");
  // Where no option can be trained, all runs say so.
  options.monitor = nullptr;
  const Study none = both(options, true, single, {.name = "hard", .tries = {3, hard_rate(1e30)}});
  CHECK(none.runs[1].error.find("no options were chosen, for none could be: mtlx: the loss of the task") == 0);
  CHECK(none.candidates[1].settings.empty());
  CHECK_FALSE(none.runs[0].failed());
}

TEST_CASE("a folder keeps finished runs, and knows which are stale") {
  const Temporary folder;
  study::Options options = kept(folder.path() + "/study");
  Lines lines;
  options.observer = &lines;
  const Study first = both(options);
  CHECK(lines.lines.size() == 4);
  CHECK(tables(first) == tables(both(quick)));

  // All is there: nothing is trained, and times are those of then.
  options.jobs = 2;
  const Study again = both(options);
  CHECK(lines.lines.size() == 4);
  CHECK(lines.plans[1].find("; 4 are done already") != std::string::npos);
  CHECK(tables(again) == tables(first));
  CHECK(again.runs[3].train_seconds == first.runs[3].train_seconds);

  // Nor does the number of threads matter.
  CHECK(tables(both(options, true, {.name = "single"}, {.name = "hard", .tries = {{.backend = {.threads = 2}}}})) ==
        tables(first));
  CHECK(lines.lines.size() == 4);

  // More seeds, another candidate, other names for the data: the old runs serve.
  options.seeds = 3;
  both(options);
  CHECK(lines.lines.size() == 6);
  study::compare<Single, Hard, Hard>({.name = "renamed", .train = &train(), .test = &test()}, options,
                                     {.name = "single"}, {.name = "hard"},
                                     {.name = "slow", .tries = {hard_rate(1e-5)}});
  CHECK(lines.lines.size() == 9);
  options.seeds = 2;
  CHECK(tables(both(options)) == tables(first));

  // A run that is lost is made again; one of another key is not taken.
  const std::string file = options.directory + "/run-hard-2.mtlx", bytes = read_file(file);
  std::remove(file.c_str());
  CHECK(tables(both(options)) == tables(first));
  CHECK(lines.lines.size() == 10);
  write_file(file, read_file(options.directory + "/run-hard-1.mtlx"));
  CHECK(tables(both(options)) == tables(first));
  CHECK(lines.lines.size() == 11);
  write_file(file, bytes.substr(0, bytes.size() - 1));
  CHECK(refusal(options) == ("mtlx: " + file +
                             " is cut or damaged: its checksum does not match its content; delete it to have the run "
                             "made anew")
                                .c_str());
  write_file(file, bytes);

  const auto stale = [&](const std::string& what, const std::string& theirs, const std::string& ours) {
    return doctest::String(
        ("mtlx: " + options.directory + "/" + what + ".txt has \"" + theirs + "\" where this study has \"" + ours +
         "\": its finished runs are stale; discard_stale has them made anew, another directory keeps "
         "them")
            .c_str());
  };
  study::Options changed = options;
  changed.epochs = 4;
  CHECK(refusal(changed) == stale("study", "epochs: 3", "epochs: 4"));
  CHECK(refusal(options, {.name = "single"}, {.name = "hard", .tries = {hard_rate(0.5)}}) ==
        stale("candidate-hard", "optimizer.learning_rate: 0.01", "optimizer.learning_rate: 0.5"));
  const data::DataSet other = points(57, 4);
  CHECK(std::string(refusal(options, {.name = "single"}, {.name = "hard"}, &other).c_str()).find("\"data checksum: ") !=
        std::string::npos);
  CHECK(lines.lines.size() == 11);

  // Stale runs of one candidate are given up; the baseline's serve.
  changed = options;
  changed.discard_stale = true;
  const Candidate<Hard> faster{.name = "hard", .tries = {hard_rate(0.5)}};
  const Study renewed = both(changed, true, {.name = "single"}, faster);
  CHECK(lines.lines.size() == 13);
  CHECK(tables(renewed) == tables(both(quick, true, {.name = "single"}, faster)));
  CHECK(refusal(options) == stale("candidate-hard", "optimizer.learning_rate: 0.5", "optimizer.learning_rate: 0.01"));

  // A run whose loss is not finite is not tried again.
  options.directory = folder.path() + "/failing";
  for (int time = 0; time < 2; ++time) {
    const Study failing = both(options, true, {.name = "single"}, {.name = "hard", .tries = {hard_rate(1e30)}});
    CHECK(failing.runs[1].failed());
    CHECK(lines.lines.size() == 17);
  }
  // One that failed by anything else is.
  options.directory = folder.path() + "/unlucky";
  options.splits.prepare = [](study::Parts&, std::uint64_t seed) {
    static bool missing = true;
    if (seed == 2 && std::exchange(missing, false)) fail("the file was not there yet");
  };
  const Study unlucky = both(options, false);
  REQUIRE(lines.lines.size() == 21);
  CHECK(unlucky.runs[2].error + unlucky.runs[3].error == "mtlx: the file was not there yet");
  const Study luckier = both(options, false);
  CHECK(lines.lines.size() == 22);
  CHECK_FALSE((luckier.runs[2].failed() || luckier.runs[3].failed()));
}

TEST_CASE("a budget that is used up, or an observer that throws, ends a study that can go on") {
  const Temporary folder;
  study::Options options = kept(folder.path());
  options.budget_seconds = 1e-9;
  const Candidate<Single> single{.name = "single", .tries = {rate(0.01), rate(0.1)}};
  const Candidate<Hard> hard{.name = "hard", .tries = {hard_rate(0.01), hard_rate(0.1)}};
  const Study none = both(options, true, single, hard);
  CHECK(none.runs[3].error ==
        "no options were chosen, for a try was not finished: not begun: the budget of 1e-09 seconds was used up");
  options.directory.clear();
  CHECK(both(options).runs[0].error == "not begun: the budget of 1e-09 seconds was used up");

  struct Breaker : study::Observer {
    int left = 3;
    void on_run(const study::RunRecord&, std::string_view) override {
      if (--left == 0) throw std::runtime_error("enough");
    }
  } breaker;
  options.directory = folder.path() + "/broken";
  options.budget_seconds = 0;
  options.observer = &breaker;
  CHECK_THROWS_WITH_AS(both(options, true, single, hard), "enough", std::runtime_error);
  Lines lines;
  options.observer = &lines;
  options.jobs = 2;
  const Study whole = both(options, true, single, hard);
  CHECK(lines.lines.size() == 8 - 3);
  CHECK(tables(whole) == tables(both(quick, true, single, hard)));

  // The plan counts what is there, though another candidate's tries are to be made.
  study::compare<Single, Hard, Hard>({.train = &train(), .test = &test()}, options, single, hard,
                                     {.name = "slow", .tries = {hard_rate(1e-5), hard_rate(1e-4)}});
  CHECK(lines.plans[1].find("6 runs of 3 epochs and 6 to choose options, ") == 0);
  CHECK(lines.plans[1].find("; 8 are done already") != std::string::npos);
}

TEST_CASE("what does not fit is said before anything is trained") {
  const auto with = [](auto&& change) {
    study::Options options = quick;
    change(options);
    return refusal(options);
  };
  CHECK(with([](auto& o) { o.seeds = 0; }) == "mtlx: study: seeds must be at least 1, and is 0");
  CHECK(with([](auto& o) { o.epochs = 0; }) == "mtlx: study: epochs must be at least 1, and is 0");
  CHECK(with([](auto& o) { o.batch_size = 0; }) == "mtlx: study: batch_size must be at least 1, and is 0");
  CHECK(with([](auto& o) { o.tuning_seeds = 0; }) == "mtlx: study: tuning_seeds must be at least 1, and is 0");
  CHECK(with([](auto& o) { o.budget_seconds = -1; }) ==
        "mtlx: study: budget_seconds must be a number of at least 0, and is -1");
  CHECK(with([](auto& o) { o.splits.validation = 1; }) ==
        "mtlx: study: splits.validation must be at least 0 and less than 1, and is 1");
  CHECK(with([](auto& o) { o.splits.validation = 0, o.early_stopping.patience = 1; }) ==
        "mtlx: study: early stopping needs validation samples, and splits.validation is 0");
  CHECK(with([](auto& o) { o.directory = "/no such folder/study"; }) ==
        "mtlx: cannot make the folder /no such folder/study: No such file or directory");

  CHECK(refusal(quick, {.name = "one"}, {.name = "one"}) ==
        "mtlx: study: the candidates \"one\" and \"one\" have names too much alike: give each a name of its own");
  CHECK(refusal(quick, {.name = "single", .tries = {rate(0.1), rate(0.2)}}) ==
        "mtlx: study: \"single\" has 2 options to try and \"hard\" 1: the same number for all, or what is better tuned "
        "looks better");
  CHECK(refusal(quick, {.name = "single", .tries = {rate(-1)}}) ==
        "mtlx: Sgd: learning_rate must be a number of at least 0, and is -1");
  CHECK(error_of([] { study::compare<Hard, Single>({.train = &train(), .test = &test()}, quick); }) ==
        "mtlx: study: the first candidate is the baseline, single-task learning such as sharing::Single, and \"Hard + "
        "PcGrad + Sgd\" shares 9 parameters");
  const data::DataSet other(data::Inputs(Shape{3}, std::vector<float>(30)), points(10, 1).streams()[0].columns);
  const data::DataSet half(train().streams()[0].inputs, {train().streams()[0].columns[0]});
  CHECK(refusal(quick, {}, {}, &half) == "mtlx: the data set has no targets for the task \"height\"");
  const data::DataSet third(points(1, 1).streams()[0].inputs, {{"side", data::Targets::classes(std::vector<int>{2})}});
  CHECK(error_of([&] { study::compare<Single>({.train = &train(), .test = &third}, quick); }) ==
        "mtlx: the task \"side\" takes whole numbers from 0 to the number of classes less 1, and row 0 has 2");
  CHECK(refusal(quick, {}, {}, &other) == "mtlx: the data set's inputs are 3, and the model takes 2");
}

TEST_CASE("a study that is killed twenty times ends with the same tables" * doctest::test_suite("slow")) {
  const Candidate<Single> single{.name = "single", .tries = {rate(0.01), rate(0.1)}};
  const Candidate<Hard> hard{.name = "hard", .tries = {hard_rate(0.01), hard_rate(1e30)}};
  study::Options options = quick;
  options.seeds = 6;
  options.epochs = 40;
  options.jobs = 2;
  const auto start = std::chrono::steady_clock::now();
  const std::string whole = tables(both(options, true, single, hard));
  const auto lasts = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  Random random(1, Purpose::user, 1);
  int kills = 0, studies = 0;
  while (kills < 20) {
    const Temporary folder;
    options.directory = folder.path() + "/study";
    for (bool over = false; !over;) {
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        int code = 1;
        try {
          write_file(folder.path() + "/end", tables(both(options, true, single, hard)));
          code = 0;
        } catch (...) {
        }
        _exit(code);
      }
      usleep(static_cast<useconds_t>(random.below(static_cast<std::uint32_t>(lasts.count()) + 1)));
      kill(child, SIGKILL);
      int status = 0;
      REQUIRE(waitpid(child, &status, 0) == child);
      over = WIFEXITED(status);
      if (over)
        REQUIRE(WEXITSTATUS(status) == 0);
      else
        ++kills;
    }
    ++studies;
    CHECK(read_file(folder.path() + "/end") == whole);
  }
  MESSAGE(kills << " kills in " << studies << " studies");
}

TEST_CASE("a strategy that finds its groups is as large as the networks that its runs found") {
  study::Options options = quick;
  options.seeds = 4;
  const Temporary folder;
  options.directory = folder.path();
  const auto study = [&] {
    return study::compare<Single, study::Named<"grouped", Finding>>({.train = &train(), .test = &test()}, options);
  };
  const Study once = study();
  std::vector<std::size_t> networks;
  for (const study::RunRecord& run : once.runs) networks.push_back(run.networks);
  CHECK(networks == std::vector<std::size_t>{0, 1, 0, 2, 0, 1, 0, 2});
  CHECK(once.runs[3].groups == "side; height");
  const training::Summary one = Finding().summary();
  const study::CandidateRecord& found = once.candidates[1];
  CHECK(found.parameters == (one.parameters * 3 + 1) / 2);
  CHECK(found.bytes == (one.bytes_model * 3 + 1) / 2);
  CHECK(found.multiply_adds == 1.5 * one.multiply_adds);
  CHECK(found.predict_microseconds > 0);
  CHECK(tables(study()) == tables(once));
}
