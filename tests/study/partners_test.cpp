// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/soft.hpp>
#include <mtlx/study/partners.hpp>
#include <mtlx/study/report.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "data/temporary.hpp"

using namespace mtlx;
using study::Verdict;

namespace {

using Three = Tasks<Regression<"a", 1>, Regression<"b", 1>, Classification<"c", 2>>;
using Trunk = nn::Sequential<nn::Dense<2>, nn::Tanh>;
using Hard = MultiTask<Input<2>, Three, sharing::Hard<Trunk>, optim::Sgd>;
using Soft = MultiTask<Input<2>, Three, sharing::Soft<Trunk>, optim::Sgd>;

/// Two tasks in one stream, the third with inputs of its own.
data::DataSet points(std::size_t count, std::uint64_t stream) {
  Random random(3, Purpose::user, stream);
  std::vector<float> x(2 * count), a(count), b(count);
  std::vector<int> c(count);
  for (std::size_t i = 0; i < count; ++i) {
    x[2 * i] = static_cast<float>(random.normal()), x[2 * i + 1] = static_cast<float>(random.normal());
    a[i] = x[2 * i] - x[2 * i + 1], b[i] = x[2 * i] * x[2 * i], c[i] = x[2 * i + 1] > 0;
  }
  data::DataSet set(data::Inputs(Shape{2}, x),
                    {{"a", data::Targets::values(1, a)}, {"b", data::Targets::values(1, b)}});
  set.add(data::Inputs(Shape{2}, x), {{"c", data::Targets::classes(c)}});
  return set;
}

std::uint64_t bits(double number) { return std::bit_cast<std::uint64_t>(number); }

}  // namespace

TEST_CASE("a task's partners change what is learned through shared parameters, and through nothing else") {
  const data::DataSet train = points(33, 1), test = points(17, 2);
  const study::Data data{.train = &train, .test = &test};
  const study::Options options{.seeds = 3, .epochs = 2, .batch_size = 8, .splits = {.validation = 0.2}};

  // Trunks that nothing pulls together share nothing: a partner changes no bit.
  const study::Partners single = study::partners<Soft>(
      data, options, {.tries = {{.sharing = {.pull = {.strength = 0}}, .optimizer = {.learning_rate = 0.1}}}});
  // The strategy's own options are among the settings that make a run stale.
  CHECK(single.study.candidates[0].settings.back() ==
        std::pair<std::string, std::string>("sharing.pull.strength", "0"));
  CHECK(std::count_if(single.study.candidates[0].settings.begin(), single.study.candidates[0].settings.end(),
                      [](const auto& setting) { return setting.first == "sharing.pull.strength"; }) == 1);
  REQUIRE(single.study.candidates.size() == 6);
  REQUIRE(single.study.runs.size() == 18);
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 3; ++b) {
      if (a != b) CHECK(single.gain(a, b).difference.count == 3);
      if (a == b) CHECK(single.gain(a, b).verdict == Verdict::baseline);
      if (a == b || a == 2 || b == 2) continue;  // inputs of their own come in another order
      CHECK(single.gain(a, b).verdict == Verdict::no_test);
      CHECK(bits(single.gain(a, b).difference.mean) == bits(0.0));
    }

  struct Plan : study::Observer {
    std::string text;
    void on_begin(std::string_view plan) override { text = plan; }
  } plan;
  study::Options hard_options = options;
  hard_options.observer = &plan;
  hard_options.sampling = training::Sampling::round_robin;
  study::Candidate<Hard> candidate{.tries = {{.optimizer = {.learning_rate = 0.1}}}};
  const study::Partners hard = study::partners<Hard>(data, hard_options, candidate);
  CHECK(plan.text.starts_with("18 runs of 2 epochs, "));
  const std::vector<std::string> names{"a alone", "b alone", "c alone", "a + b", "a + c", "b + c"};
  for (std::size_t c = 0; c < 6; ++c) CHECK(hard.study.candidates[c].name == names[c]);
  // One by hand: b with c, seed 2. What is left of a is a column without labels.
  const study::RunRecord& run = hard.study.runs[6 + 5];
  CHECK(run.seed == 2);
  CHECK(run.candidate == 5);
  auto [rest, held] = data::split(train, 0.8, ~std::uint64_t{0});
  data::DataSet pair;
  const data::Stream &first = rest.streams()[0], &second = rest.streams()[1];
  const std::size_t n = first.inputs.size();
  pair.add(first.inputs,
           {first.columns[1], {"a", data::Targets::values(1, std::vector<float>(n), std::vector<std::uint8_t>(n))}});
  pair.add(second.inputs, second.columns);
  Hard model({.optimizer = {.learning_rate = 0.1}, .seed = 2});
  const std::vector<float> before(model.parameters().begin(), model.parameters().end());
  model.fit(pair, {.epochs = 2, .batch_size = 8, .sampling = training::Sampling::round_robin});
  const auto scores = model.evaluate(test).metrics();
  CHECK(bits(run.metrics[1]) == bits(scores[1]));
  CHECK(bits(run.metrics[2]) == bits(scores[2]));
  CHECK(is_nan(run.metrics[0]));
  // Row b, column c: rmse with c less alone, turned so that positive is better.
  double mean = 0;
  for (std::size_t s = 0; s < 3; ++s)
    mean -= (hard.study.runs[6 * s + 5].metrics[1] - hard.study.runs[6 * s + 1].metrics[1]) / 3;
  CHECK(hard.gain(1, 2).difference.mean == doctest::Approx(mean));
  CHECK(hard.gain(1, 2).difference.mean != hard.gain(2, 1).difference.mean);

  // Several jobs and a folder make the same bits.
  const Temporary folder;
  hard_options.jobs = 2, hard_options.directory = folder.path();
  const study::Partners again = study::partners<Hard>(data, hard_options, candidate);
  CHECK(csv(again) == csv(hard));
  CHECK(csv(study::partners<Hard>(data, hard_options, candidate)) == csv(hard));
  CHECK(plan.text.ends_with("; 18 are done already"));
}

TEST_CASE("which task loses by which partner, from numbers of known effect") {
  study::Study runs;
  runs.tasks = {{"a", "accuracy", true, {{"f1", true}}}, {"b", "rmse", false}, {"c", "accuracy", true}};
  runs.candidates.resize(6);
  const double none = std::nan("");
  // Alone: 0.8, 2, 0.5. a loses 0.04 by b and b 0.5 by a (its error grows); c gains 0.05 by b; the rest is noise.
  const std::vector<std::vector<double>> means = {{0.8, none, none}, {none, 2, none},  {none, none, 0.5},
                                                  {0.76, 2.5, none}, {0.8, none, 0.5}, {none, 2, 0.55}};
  const std::vector<double> noise{0.001, -0.002, 0.0015, -0.0005, 0.002};
  for (std::size_t seed = 0; seed < 5; ++seed)
    for (std::size_t c = 0; c < 6; ++c) {
      study::RunRecord run;
      run.candidate = c, run.seed = seed, run.metrics = means[c];
      // Luck that a seed's runs have in common goes away, theirs alone does not.
      for (double& metric : run.metrics) metric += 0.1 * noise[seed] + noise[(seed + 2 * c) % 5];
      runs.runs.push_back(run);
    }
  runs.runs[29].error = "lost";  // the last seed's b + c
  const study::Partners found = study::detail::partners_of(runs, 0.95);
  CHECK(found.gain(0, 1).verdict == Verdict::worse);
  CHECK(found.gain(1, 0).verdict == Verdict::worse);
  CHECK(found.gain(0, 1).difference.mean == doctest::Approx(-0.04).epsilon(0.01));
  CHECK(found.gain(1, 0).difference.mean == doctest::Approx(-0.5).epsilon(0.01));
  CHECK(found.gain(0, 2).verdict == Verdict::cannot_tell);
  CHECK(found.gain(2, 1).verdict == Verdict::cannot_tell);  // what is left of runs that failed is no fair sample
  CHECK(found.gain(2, 1).withheld);
  CHECK(found.gain(2, 1).missing.size() == 1);
  CHECK(found.gain(0, 1).adjusted_p == doctest::Approx(5 * found.gain(0, 1).p));  // Holm over 6: the second smallest
  CHECK(found.units[1] == doctest::Approx(0.02).epsilon(0.01));
  CHECK(
      doctest::String(study::answer(found).c_str()) ==
      "Of 6 effects of a partner on a task, 2 are losses: a by b (accuracy 0.0400 worse, p < 0.0001) and b by a (rmse "
      "0.500 worse, p < 0.0001); 0 are gains, of 4 these runs cannot tell.");
  CHECK(csv(found).find("b,a,rmse,0,5,-0.5") != std::string::npos);

  const study::MatrixRecord matrix = study::matrix(found);
  CHECK(matrix.rows == "affected task");
  CHECK(matrix.columns == "by partner");
  CHECK(matrix.values[1] == doctest::Approx(-5).epsilon(0.01));
  CHECK(matrix.values[3] == doctest::Approx(-25).epsilon(0.01));
  CHECK(is_nan(matrix.values[4]));
  CHECK(matrix.notes[3].ends_with(", worse"));
  study::Study of_report;
  of_report.tasks = runs.tasks;
  of_report.candidates.resize(1);
  of_report.matrices = {matrix};
  const std::string page = study::report_html(of_report);
  CHECK(page.find("by partner") != std::string::npos);
  CHECK(page.find("affected task") != std::string::npos);
  CHECK(page.find("<span class=\"note\">" + matrix.notes[3] + "</span>") != std::string::npos);
  of_report.matrices[0].notes.pop_back();
  CHECK_THROWS_AS(study::report_html(of_report), Error);
}
