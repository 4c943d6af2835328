// SPDX-License-Identifier: MIT
// A network that is regrouped while it trains: turns, what is told of them, and what a run keeps.
#include "interrupted.hpp"

#include <doctest/doctest.h>

#include <mtlx/grouping/dynamic_groups.hpp>
#include <mtlx/grouping/selective_updates.hpp>
#include <mtlx/grouping/together.hpp>
#include <mtlx/optim/sgd.hpp>

#include <array>
#include <cmath>
#include <numeric>

using namespace mtlx;
using grouping::GroupStep;
using grouping::Regrouping;
using training::Sampling;

namespace {

// What `took` was told of, batch after batch; a rule is const, and its memory is of doubles.
std::vector<std::pair<TaskSet, std::vector<double>>>* told = nullptr;
std::size_t looked = 0;

/// Any of the rules in one type, so that one model serves all tests: turns as they are given, or one of the library's.
struct Rules {
  static constexpr auto kind = Kind::grouping;
  enum class Which { given, updates, groups };
  Which which = Which::given;
  std::vector<TaskSet> given{};
  bool after = false;
  std::size_t look_every = 0;
  grouping::SelectiveUpdates updates{};
  grouping::DynamicGroups groups{};
  double held_out = 0;

  std::vector<grouping::Group> plan(std::size_t tasks) const { return grouping::Together{}.plan(tasks); }
  static constexpr std::size_t memory(std::size_t tasks) {
    return std::max(grouping::SelectiveUpdates::memory(tasks), grouping::DynamicGroups::memory(tasks));
  }
  void begin(Regrouping& now) const {
    if (which == Which::updates) updates.begin(now);
    if (which == Which::groups) groups.begin(now);
  }
  std::size_t turns(Regrouping& now, std::span<TaskSet> to) const {
    if (which == Which::updates) return updates.turns(now, to);
    if (which == Which::groups) return groups.turns(now, to);
    std::copy(given.begin(), given.end(), to.begin());
    return given.size();
  }
  bool looks_after(const Regrouping& now) const {
    return which == Which::given ? after : which == Which::updates && updates.looks_after(now);
  }
  void took(Regrouping& now, const GroupStep& step) const {
    if (which == Which::updates) updates.took(now, step);
    if (which != Which::given) return;
    for (std::size_t t = 0; t < now.tasks(); ++t) now.memory()[t] = 0.9 * now.memory()[t] + step.after[t];
    if (told == nullptr) return;
    told->push_back({step.acting, {step.before.begin(), step.before.end()}});
    told->push_back({step.present, {step.after.begin(), step.after.end()}});
  }
  bool wants(const Regrouping& now) const {
    if (which == Which::groups) return groups.wants(now);
    return look_every > 0 && now.batches() % look_every == 0;
  }
  void look(Regrouping& now, grouping::Moment& moment) const {
    ++looked;
    if (which == Which::groups) return groups.look(now, moment);
    now.memory()[4] += moment.fall(0, 1);
    if (moment.losses()[0] + 0.01 * now.memory()[4] > 0)
      now.regroup(std::array<std::size_t, 3>{0, 1, now.batches() % 3});
  }
};

/// Momentum that knows how many steps a part has taken; or nothing moves.
struct Momentum {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 1;
  float learning_rate = 0.1F;
  auto rule(const optim::Now& now) const {
    const double rate = static_cast<double>(learning_rate) / (1 + 1 / static_cast<double>(now.step));
    return [rate](auto& p, auto gradient, auto& row) {
      using Number = decltype(gradient);
      row[0] = Number(0.8) * row[0] + gradient;
      p -= Number(rate) * row[0];
    };
  }
};

template <class Grouping>
using Model =
    MultiTask<Input<4>, small::Kinds, sharing::Hard<interrupted::Trunk>, balancing::PcGrad, Momentum, Grouping>;
using Turned = Model<Rules>;
using Plain = Model<grouping::Together>;
using Options = Turned::FitOptions;

const TaskSet all = TaskSet::first(3);

Turned turned(Rules rules, int threads = 1) {
  return Turned{{.grouping = std::move(rules), .backend = {.threads = threads}, .seed = 3}};
}
Plain plain() { return Plain{{.seed = 3}}; }

template <class M>
std::vector<float> numbers(const M& model) {
  return small::copy(model.parameters());
}
Options full(const data::DataSet& data, std::size_t epochs = 1) {
  return {.epochs = epochs, .batch_size = data.streams()[0].inputs.size(), .shuffle = false};
}

}  // namespace

TEST_CASE("one group of all tasks is plain training, to the bit") {
  const auto shared = small::shared(37, 0.4), own = small::own(21, 9, 0.3);
  for (const Sampling sampling : {Sampling::together, Sampling::round_robin}) {
    for (const data::DataSet* data : {&shared, &own}) {
      Options options{.epochs = 3, .batch_size = 5, .sampling = sampling};
      options.augment = &interrupted::noise;
      struct Sums : training::Observer {
        std::vector<double> losses, weights;
        std::size_t steps = 0;
        void on_step(const training::Step& step) override {
          ++steps;
          losses.insert(losses.end(), step.losses.begin(), step.losses.end());
          weights.insert(weights.end(), step.weights.begin(), step.weights.end());
        }
      } seen, expected;
      Turned model = turned({.given = {all}, .after = true});
      options.observers = {&seen};
      model.fit(*data, options);
      Plain other = plain();
      options.observers = {&expected};
      other.fit(*data, options);
      CHECK(small::same_bits(numbers(model), numbers(other)));
      CHECK(seen.steps == expected.steps);
      CHECK(small::same_bits(seen.losses, expected.losses));
      CHECK(small::same_bits(seen.weights, expected.weights));
      CHECK(model.groups().batches == seen.steps);
      CHECK(model.groups().passes == seen.steps);
      CHECK(model.plan().size() == 1);
    }
  }
}

TEST_CASE("a turn is a step on its tasks' labels alone: the rest keep their bits") {
  const auto data = small::shared(13);
  // The same turns as batches of data that has no other labels. Dropout's draws are the batch's, and so differ: one turn.
  const auto column = [&](std::size_t t, std::size_t of) {
    const data::Column& given = data.streams()[0].columns[t];
    const std::vector<float> nothing(13 * given.targets.width(), small::nan);
    const std::vector<int> nobody(13, data::missing_label);
    if (t == of) return given;
    return data::Column{
        given.task, t == 0 ? data::Targets::classes(nobody) : data::Targets::values(given.targets.width(), nothing)};
  };
  for (const std::size_t t : {0UL, 1UL, 2UL}) {
    Turned model = turned({.given = {TaskSet::only(t)}});
    const std::vector<float> before = numbers(model);
    model.fit(data, full(data));
    Plain other = plain();
    const data::DataSet alone(data.streams()[0].inputs, {column(0, t), column(1, t), column(2, t)});
    other.fit(alone, full(alone));
    CHECK(small::same_bits(numbers(model), numbers(other)));
    CHECK_FALSE(small::same_bits(numbers(model), before));
  }
  // Nobody's turn: nothing moves.
  Turned still = turned({.given = {}});
  const std::vector<float> before = numbers(still);
  still.fit(data, full(data, 2));
  CHECK(small::same_bits(numbers(still), before));
  CHECK(still.groups().batches == 2);
}

TEST_CASE("rules are told of each group's step, with the batch's random draws, and of the last's if they ask") {
  const auto data = small::shared(13, 0.2);
  std::vector<std::pair<TaskSet, std::vector<double>>> steps;
  told = &steps;
  const TaskSet a = TaskSet::first(2), b = TaskSet::only(2);
  Options options = full(data);
  options.augment = &interrupted::noise;
  for (const bool after : {false, true}) {
    steps.clear();
    Turned model = turned({.given = {b, a, b}, .after = after});
    model.fit(data, options);
    REQUIRE(steps.size() == (after ? 6 : 4));
    CHECK(steps[0].first == b);
    CHECK(steps[2].first == a);
    for (std::size_t i = 1; i < steps.size(); i += 2) CHECK(steps[i].first == all);
    CHECK(steps[1].second == steps[2].second);  // after one is before the next
    CHECK(steps[0].second != steps[1].second);
    if (after) CHECK(steps[3].second == steps[4].second);
    CHECK(model.groups().passes == 3);
  }
  // Where nothing moves, dropout and noise leave the losses as they are: the turns have the same draws.
  steps.clear();
  Turned still{{.optimizer = {.learning_rate = 0}, .grouping = {.given = {b, a, b}, .after = true}, .seed = 3}};
  still.fit(data, options);
  REQUIRE(steps.size() == 6);
  CHECK(steps[0].second == steps[5].second);
  // The losses that a batch is reported with are those before anything moved.
  steps.clear();
  Turned once = turned({.given = {b, a}});
  std::vector<double> reported;
  struct First : training::Observer {
    std::vector<double>& to;
    explicit First(std::vector<double>& losses) : to(losses) {}
    void on_step(const training::Step& step) override {
      to.assign(step.losses.begin(), step.losses.end());
      CHECK(step.present == all);
      CHECK(step.weights[0] > 0);
      CHECK(step.weights[2] > 0);
    }
  } first(reported);
  options.observers = {&first};
  once.fit(data, options);
  REQUIRE(steps.size() == 2);
  CHECK(reported == steps[0].second);
  told = nullptr;
}

TEST_CASE("the same bits on more threads, in a copy, and after an interruption") {
  const auto data = small::shared(61, 0.3);
  const auto rules = [](Rules::Which which) {
    Rules r{.which = which, .given = {TaskSet::only(1), TaskSet::only(0).with(2)}};
    r.look_every = which == Rules::Which::given ? 3 : 0;
    r.updates = {.beta = 0.1, .warm_up = 2, .every = 1};
    r.groups = {.every = 2, .looks = 2, .lambda = 0.5, .when = grouping::DynamicGroups::When::always};
    r.held_out = 0.2;
    return r;
  };
  for (const auto which : {Rules::Which::given, Rules::Which::updates, Rules::Which::groups}) {
    CAPTURE(static_cast<int>(which));
    Options options{.epochs = 3, .batch_size = 8};
    looked = 0;
    Turned one = turned(rules(which));
    one.fit(data, options);
    CHECK((looked > 0) == (which != Rules::Which::updates));
    Turned more = turned(rules(which), 3);
    more.fit(data, options);
    CHECK(interrupted::bytes_of(one) == interrupted::bytes_of(more));
    CHECK(one.groups().batches == 3 * 7);  // 49 of 61 samples
    CHECK(one.groups().changes > 0);

    Turned half = turned(rules(which));
    half.fit(data, {.epochs = 1, .batch_size = 8});
    Turned copy = half;
    half.fit(data, {.epochs = 1, .batch_size = 8});
    copy.fit(data, {.epochs = 1, .batch_size = 8});
    CHECK(interrupted::bytes_of(half) == interrupted::bytes_of(copy));

    const interrupted::Folder folder;
    const training::Checkpointing files{.directory = folder.path() + "/run", .every_steps = 2, .resume = true};
    interrupted::Crasher crasher;
    crasher.step = 11;
    Options fatal = options;
    fatal.observers = {&crasher};
    {
      Turned lost = turned(rules(which));
      CHECK_THROWS_AS(lost.fit(data, fatal, files), interrupted::Crash);
    }
    Turned resumed = turned(rules(which));
    resumed.fit(data, options, files);
    CHECK(interrupted::bytes_of(resumed) == interrupted::bytes_of(one));
    CHECK(resumed.groups().changes == one.groups().changes);
  }
  // Too few samples to set any aside.
  Turned none = turned(rules(Rules::Which::given));
  CHECK_THROWS_AS(none.fit(small::shared(2), {}), Error);
}

TEST_CASE("DynamicGroups finds in a training who helps whom, and that it has changed") {
  using Four = Tasks<Regression<"a", 1>, Regression<"b", 1>, Regression<"c", 1>, Regression<"d", 1>>;
  using Small =
      MultiTask<Input<8>, Four, sharing::Hard<nn::Sequential<nn::Dense<2>>>, optim::Sgd, grouping::DynamicGroups>;
  // a and d go by two different sums of inputs; b goes by a's and c by d's, or the other way round; all with much noise.
  const auto samples = [](bool turned) {
    Random random(turned ? 100 : 0, Purpose::user);
    std::vector<float> x(600 * 8);
    for (float& number : x) number = static_cast<float>(random.normal());
    std::array<std::vector<float>, 4> y;
    for (std::size_t i = 0; i < 600; ++i) {
      const float u = std::accumulate(&x[8 * i], &x[8 * i + 4], 0.0F),
                  v = std::accumulate(&x[8 * i + 4], &x[8 * i] + 8, 0.0F);
      for (std::size_t t = 0; t < 4; ++t)
        y[t].push_back((t == 0 || (t != 3 && (t == 1) != turned) ? u : v) + 2 * static_cast<float>(random.normal()));
    }
    std::vector<data::Column> columns;
    for (std::size_t t = 0; t < 4; ++t)
      columns.push_back({std::string(Four::names[t]), data::Targets::values(1, y[t])});
    return data::DataSet({Shape{8}, x}, std::move(columns));
  };
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}}) {
    Small model{{.optimizer = {.learning_rate = 0.003F}, .grouping = {.held_out = 0.2, .every = 1}, .seed = seed}};
    model.fit(samples(false), {.epochs = 20, .batch_size = 16});
    const TaskSet a = TaskSet::only(0), d = TaskSet::only(3);
    CHECK(model.groups().batches == 20 * 30);  // 480 of 600 samples
    CHECK(model.groups().groups == std::vector<TaskSet>{a.with(1), d.with(2)});
    CHECK(model.groups().changes == 1);
    CHECK(model.groups().passes == 600 + 600 - model.groups().log.at(0).batch);
    model.fit(samples(true), {.epochs = 20, .batch_size = 16});
    CHECK(model.groups().groups == std::vector<TaskSet>{a.with(2), d.with(1)});
    REQUIRE(model.groups().log.size() == 2);
    CHECK(model.groups().log[1].batch > 600);
    CHECK(model.groups().log[1].batch < 800);
  }
}
