// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <mtlx/core/random.hpp>
#include <mtlx/grouping/tgsr.hpp>
#include <mtlx/mtlx.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace mtlx;
using namespace mtlx::grouping;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
using Streams = std::vector<std::size_t>;

/// A network without a network: what each stream's loss falls by alone, and what it gains in the n-th fine-tuning of those
/// that are left.
struct MadeUp final : Drawing {
  std::vector<double>& numbers;
  std::vector<double> falls;                 // of the loss
  std::vector<std::vector<double>> gains;    // by fine-tuning, then stream
  std::vector<std::vector<double>> asked{};  // chances of each trial
  std::vector<Trial> trials{};

  MadeUp(std::vector<double>& kept, const Tgsr& rule, std::vector<double> fall, std::vector<std::vector<double>> gain)
      : Drawing(kept, fall.size(), rule.memory(fall.size()), 1),
        numbers(kept),
        falls(std::move(fall)),
        gains(std::move(gain)) {}

  bool is_due() const { return due(); }
  void step(const Tgsr& rule) {
    if (!begun() || due()) {
      if (!begun()) std::fill(chances().begin(), chances().end(), 1.0);
      note_begin(), note_look(false);
      rule.look(*this);
    }
    note_step();
  }

  Judged judge(std::span<const std::size_t> which) override { return judged(which, {}); }
  std::span<const std::string_view> judged_by() const override { return {}; }
  Tried try_out(const Trial& trial) override {
    asked.emplace_back(trial.chances.begin(), trial.chances.end());
    trials.push_back(trial);
    note_measuring(trial.steps);
    if (trial.judged.empty()) {
      const auto s =
          static_cast<std::size_t>(std::max_element(asked.back().begin(), asked.back().end()) - asked.back().begin());
      return {5, 5 - falls[s], {}};
    }
    return {1, 1, judged(trial.judged, gains.at(fine_tunes++))};
  }
  Pull pull(std::size_t, std::size_t, std::uint64_t, std::span<double>) override { return {}; }
  void keep() override {}
  void go_back() override {}

 private:
  std::size_t fine_tunes = 0;

  // Two photos, the second without a sample of stream 1; 20 + s dB and 2 dB more. The loss is another number.
  Judged judged(std::span<const std::size_t> which, const std::vector<double>& gain) {
    Judged result{{which.begin(), which.end()}, 2, 2, {}};
    for (const std::size_t s : which)
      for (std::size_t c = 0; c < 2; ++c) {
        const double db = 20 + static_cast<double>(s) + 2 * static_cast<double>(c) + (gain.empty() ? 0 : gain.at(s));
        result.values.push_back(s == 1 && c == 1 ? none : db);
        result.values.push_back(-77);
      }
    return result;
  }
};

struct Run {
  Tgsr rule;
  std::vector<double> numbers;
  MadeUp now;
  Run(Tgsr of, std::vector<double> falls, std::vector<std::vector<double>> gains)
      : rule(std::move(of)),
        numbers(Drawing::size(falls.size(), rule.memory(falls.size()), 0)),
        now(numbers, rule, falls, gains) {}
  Drawn drawn() const { return Drawing::drawn(numbers, rule.memory(now.streams())); }
};

// Streams 3 to 9 fall, 9 most; 0, 1 and 2 are satisfied. A ties with nobody.
std::vector<double> ten_falls() { return {-1, -2, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7}; }

}  // namespace

TEST_CASE("Tgsr: groups and chances by hand") {
  // 6 of 10 are unsatisfied: 4 to 9. Left after each: 9 | 9, 5 | ...
  const std::vector<std::vector<double>> gains{
      {9, 9, 9, 9, 0.1, 0.79, 0.3, 0.2, 0.0, 0.81},  // above 0.8: 9, and not 5
      {9, 9, 9, 9, 0.1, 0.61, 0.59, 0.2, 0.7, 9},    // above 0.6: 5 and 8, and not 6
      {9, 9, 9, 9, 0.3, 9, 0.19, 0.3, 9, 9}};        // above 0.4: none; above 0.2 of the same: 4 and 7
  Run run({.joint_steps = 3, .indicator_steps = 7, .indicator_last = 2, .unsatisfied = 0.6, .group_steps = 50},
          ten_falls(), gains);
  validate(run.rule);
  for (int i = 0; i < 3; ++i) run.now.step(run.rule);
  CHECK(run.now.trials.empty());
  CHECK(run.drawn().chances == std::vector<double>(10, 0.1));
  CHECK(run.rule.text(run.drawn(), {}) ==
        "Tgsr: no groups yet; they are looked for after 3 steps on all streams alike.\n");
  for (int i = 0; i < 4; ++i) run.now.step(run.rule);  // once

  const Drawn drawn = run.drawn();
  CHECK(drawn.groups == StreamGroups{{9}, {5, 8}, {}, {4, 7}});
  CHECK(drawn.changes == 1);
  CHECK(drawn.measuring == 10 * 7 + 3 * 50);
  // Three groups that have streams, and all streams.
  for (std::size_t s = 0; s < 10; ++s) {
    const double in = s == 9 ? 1 : s == 5 || s == 8 || s == 4 || s == 7 ? 0.5 : 0;
    CHECK(drawn.chances[s] == doctest::Approx(in / 4 + 1.0 / 40));
  }
  REQUIRE(run.now.trials.size() == 13);
  for (std::size_t s = 0; s < 10; ++s) {
    CHECK(run.now.trials[s].steps == 7);
    CHECK(run.now.trials[s].last == 2);
    CHECK(run.now.trials[s].run == s);
    for (std::size_t other = 0; other < 10; ++other) CHECK(run.now.asked[s][other] == (other == s ? 1 : 0));
  }
  CHECK(run.now.asked[10] == std::vector<double>{0, 0, 0, 0, 1, 1, 1, 1, 1, 1});
  CHECK(run.now.asked[11] == std::vector<double>{0, 0, 0, 0, 1, 1, 1, 1, 1, 0});
  CHECK(run.now.asked[12] == std::vector<double>{0, 0, 0, 0, 1, 0, 1, 1, 0, 0});
  for (std::size_t t = 10; t < 13; ++t) CHECK(run.now.trials[t].run == t);

  const Tgsr::Found found = run.rule.found(drawn);
  CHECK(found.at == 3);
  CHECK(found.unsatisfied == 6);
  CHECK(found.fine_tunes == 3);
  CHECK(found.indicators[9] == doctest::Approx(-0.7));
  CHECK(is_nan(found.scores[3]));
  CHECK(found.scores[5] == doctest::Approx(0.61));
  CHECK(found.scores[7] == doctest::Approx(0.3));  // the last that it was judged by
  const std::vector<std::string> names{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  CHECK(
      run.rule.text(drawn, names) ==
      "Tgsr: grouped after 3 steps, by a fine-tuning of 7 steps of each of 10 streams and 3 of 50 steps of those that "
      "were left: 220 steps in all. Unsatisfied are 6 streams.\n"
      "Group 1, scores above 0.8: 1 stream: j 0.81. Each is drawn with a chance of 0.275.\n"
      "Group 2, scores above 0.6: 2 streams: f 0.61; i 0.7. Each is drawn with a chance of 0.15.\n"
      "Group 3, scores above 0.4: empty.\n"
      "Group 4, scores above 0.2: 2 streams: e 0.3; h 0.3. Each is drawn with a chance of 0.15.\n"
      "5 streams are in no group but that of all.\n");
}

TEST_CASE("Tgsr: empty groups, quantiles, and numbers that are not finite") {
  // Scores above 0 are those of 5 to 9; of six unsatisfied streams the shares are 1, 1, 1 and 1 stream.
  const std::vector<double> weak{0, 0, 0, 0, -0.1, 0.01, 0.02, 0.03, 0.1, 0.05};
  {
    Run run({.unsatisfied = 0.6}, ten_falls(), {weak});
    run.now.step(run.rule);
    CHECK(run.drawn().groups.empty());
    CHECK(run.drawn().measuring == 10 * 100 + 10000);
    for (const double chance : run.drawn().chances) CHECK(chance == doctest::Approx(0.1));
    CHECK(run.rule.text(run.drawn(), {}).ends_with("10 streams are in no group but that of all.\n"));
  }
  {
    Run run({.unsatisfied = 0.6, .quantiles = true}, ten_falls(),
            {weak, weak, {0, 0, 0, 0, 0.5, 0.6, 0.1, 0, 0, 0}, weak});
    run.now.step(run.rule);
    // The third's threshold is passed by two, and what is left for the fourth has no score above 0.2, but 7 has the best.
    CHECK(run.drawn().groups == StreamGroups{{8}, {9}, {4, 5}, {7}});
    CHECK(run.rule.found(run.drawn()).by_quantile == std::vector<bool>{true, true, false, true});
    CHECK(run.drawn().chances[8] == doctest::Approx(0.2 + 0.02));
    const std::string text = run.rule.text(run.drawn(), {});
    CHECK(text.find("Group 1, scores above 0.8: none; instead, by quantile, 1 stream: stream 8 0.1.") != text.npos);
    CHECK(text.find("Group 3, scores above 0.4: 2 streams:") != text.npos);
    CHECK(text.ends_with(
        "Groups by quantile are not the paper's: its thresholds left them empty, and they have its shares.\n"));
  }
  {
    // Of 400 streams 160 are unsatisfied: 1.4, 2.9, 8.4 and 20 of them.
    std::vector<double> falls(400), gains(400);
    for (std::size_t s = 0; s < 400; ++s) falls[s] = static_cast<double>(s), gains[s] = 0.0001 * static_cast<double>(s);
    Run run({.quantiles = true}, falls, {gains, gains, gains, gains});
    run.now.step(run.rule);
    const StreamGroups groups = run.drawn().groups;
    REQUIRE(groups.size() == 4);
    CHECK(groups[0] == Streams{399});
    CHECK(groups[1] == Streams{396, 397, 398});
    CHECK(groups[2].size() == 8);
    CHECK(groups[3].size() == 20);
    CHECK(groups[3].front() == 368);
    CHECK(run.rule.text(run.drawn(), {}).find("; and 8 more.") != std::string::npos);
  }
  {
    // A loss that is not finite does not fall, and a score that is not finite is above nothing.
    std::vector<double> falls = ten_falls();
    falls[9] = none;
    Run run({.unsatisfied = 0.6, .thresholds = {0.5}, .quantiles = true}, falls,
            {{9, 9, 9, 0.1, 0.1, none, 0.2, 0.7, none, 9}});
    run.now.step(run.rule);
    CHECK(run.drawn().groups == StreamGroups{{7}});
    CHECK(run.rule.text(run.drawn(), {}).find("1 streams have losses that are not finite") != std::string::npos);
    Run broken({}, {none, none}, {});
    CHECK_THROWS_WITH_AS(broken.now.step(broken.rule),
                         "mtlx: Tgsr: no stream's loss stays finite when it is trained on alone for 100 steps", Error);
  }
  {
    Run run({.thresholds = {0.5}}, {0.3}, {{0.6}});  // one stream, and at least one is unsatisfied
    run.now.step(run.rule);
    CHECK(run.drawn().groups == StreamGroups{{0}});
    CHECK(run.drawn().chances[0] == doctest::Approx(1));
  }
  // Equal falls: the first ones. Stream 1 has a photo less, and its mean is of the other.
  Run equal({.unsatisfied = 0.5, .thresholds = {0.5}}, {1, 1, 1, 1}, {{0.4, 0.6, 9, 9}});
  equal.now.step(equal.rule);
  CHECK(equal.drawn().groups == StreamGroups{{1}});
  CHECK(equal.rule.found(equal.drawn()).scores[1] == doctest::Approx(0.6));
}

TEST_CASE("Tgsr: what its options may be") {
  const auto refused = [](const Tgsr& rule, const char* sentence) {
    CHECK_THROWS_WITH_AS(validate(rule), sentence, Error);
  };
  refused({.indicator_steps = 0},
          "mtlx: Tgsr: indicator_steps and group_steps must be at least 1, and are 0 and 10000");
  refused({.indicator_steps = 5},
          "mtlx: Tgsr::indicator_last must be at least 1 and at most indicator_steps, 5, and is 10");
  refused({.unsatisfied = 1.1}, "mtlx: Tgsr::unsatisfied must be at least 0 and at most 1, and is 1.1");
  refused({.unsatisfied = 0}, "mtlx: Tgsr::unsatisfied must be above 0");
  refused({.thresholds = {}}, "mtlx: Tgsr::thresholds is empty, expected at least one");
  refused({.thresholds = {0.2, 0.4}}, "mtlx: Tgsr::thresholds must fall, and 0.4 comes after 0.2");
  refused({.thresholds = {none}}, "mtlx: Tgsr::thresholds must be a number of at least 0, and is nan");
}

namespace {

using Model =
    MultiTask<Input<3>, Tasks<Regression<"sum", 1>>, sharing::Hard<nn::Sequential<nn::Dense<4>>>, optim::Sgd, Tgsr>;

// y = w x with w a stream's own: streams 0 to 4 agree, 5 wants the opposite.
data::DataSet streams_of(std::uint64_t seed) {
  data::DataSet all;
  for (std::uint64_t s = 0; s < 6; ++s) {
    Random random(seed, Purpose::user, s);
    std::vector<float> x(3 * 24), y;
    for (float& number : x) number = static_cast<float>(random.normal());
    for (std::size_t i = 0; i < 24; ++i)
      y.push_back((s == 5 ? -1.0F : 1.0F) * (x[3 * i] + x[3 * i + 1]) + (s == 5 ? x[3 * i + 2] : 0));
    all.add(data::Inputs(Shape{3}, x), {{"sum", data::Targets::values(1, y)}});
  }
  return all;
}

}  // namespace

TEST_CASE("Tgsr: a network whose streams disagree draws the lonely one more often") {
  static_assert(Draws<Tgsr> && GroupingRule<Tgsr>);
  const data::DataSet train = streams_of(1), validation = streams_of(2);
  const auto options = [&](std::size_t steps) {
    return Model::FitOptions{
        .batch_size = 8, .validation = &validation, .sampling = training::Sampling::drawn, .drawn = {.steps = steps}};
  };
  const auto made = [](double share) {
    return Model{{.optimizer = {.learning_rate = 0.02},
                  .grouping = {.joint_steps = 200,
                               .indicator_steps = 30,
                               .unsatisfied = share,
                               .thresholds = {0.5, 0.1},
                               .group_steps = 200},
                  .seed = 3}};
  };
  Model model = made(0.2), again = made(0.2);
  model.fit(train, options(600));
  const Drawn drawn = model.drawn();
  CHECK(drawn.steps == 600);
  CHECK(drawn.measuring == 6 * 30 + 200);
  CHECK(drawn.groups == StreamGroups{{5}});
  CHECK(drawn.chances[5] == doctest::Approx(0.5 + 0.5 / 6));
  // In two fits, the second begun after grouping: the same groups.
  again.fit(train, options(300));
  again.fit(train, options(300));
  CHECK(again.drawn().groups == drawn.groups);
  CHECK(again.drawn().measuring == drawn.measuring);

  data::DataSet fewer = data::take(validation, 3);
  data::DataSet two(fewer.streams()[0].inputs, fewer.streams()[0].columns);
  Model alone = made(0.2);
  auto without = options(300);
  without.validation = &two;
  CHECK_THROWS_AS(alone.fit(train, without), Error);
}
