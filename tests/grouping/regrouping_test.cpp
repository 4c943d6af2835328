// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <mtlx/grouping/dynamic_groups.hpp>
#include <mtlx/grouping/regrouping.hpp>
#include <mtlx/grouping/selective_updates.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

using namespace mtlx;
using namespace mtlx::grouping;

namespace {

using Labels = std::vector<std::size_t>;
constexpr double none = std::numeric_limits<double>::quiet_NaN();

TaskSet set(std::initializer_list<std::size_t> tasks) {
  TaskSet all;
  for (const std::size_t t : tasks) all = all.with(t);
  return all;
}

/// A network without a network: what a rule keeps, and a rule that is asked batch after batch.
template <class Rule>
struct Trained {
  Rule rule;
  std::size_t tasks;
  std::vector<double> numbers = std::vector<double>(Regrouping::size(tasks, Rule::memory(tasks)));
  Regrouping now;

  explicit Trained(std::size_t count, Rule of = {}, std::uint64_t seed = 1)
      : rule(of), tasks(count), now(numbers, count, seed, TaskSet::first(count)) {
    rule.begin(now);
    now.note_begin();
  }
  std::vector<TaskSet> turns() {
    std::vector<TaskSet> to(tasks);
    to.resize(rule.turns(now, to));
    now.begin_batch();
    return to;
  }
  Labels labels() const {
    Labels all;
    for (std::size_t t = 0; t < tasks; ++t) all.push_back(now.group_of(t));
    return all;
  }
  GroupHistory history() const { return Regrouping::history(numbers, tasks); }
};

/// A moment whose first-order affinities are given; every loss is 2.
struct Given final : Moment {
  std::vector<double> table;
  std::vector<double> all_losses;
  explicit Given(std::size_t count) : table(count * count), all_losses(count, 2) {}
  std::size_t tasks() const override { return all_losses.size(); }
  TaskSet present() const override { return TaskSet::first(tasks()); }
  std::size_t step() const override { return 0; }
  std::uint64_t seed() const override { return 0; }
  std::span<const double> losses() override { return all_losses; }
  std::span<const double> losses_after(std::span<const double>) override { return all_losses; }
  double fall(std::size_t affected, std::size_t acting) override { return 2 * table[affected * tasks() + acting]; }
  std::span<const double> batch_losses() override { return all_losses; }
  double batch_fall(std::size_t affected, std::size_t acting) override { return fall(affected, acting); }
  double cosine(std::size_t, std::size_t) override { return 0; }
};

/// Affinities of tasks with the labels given: a common offset, more for tasks of one label by `gain`, and noise of size 1
/// that hangs together from look to look.
struct Relation {
  Random random;
  std::size_t tasks;
  std::vector<double> noise = std::vector<double>(tasks * tasks);
  double gain = 0, carry = 0.3;
  bool skewed = false;  // noise with a long tail to the left

  void draw(Given& moment, const Labels& labels) {
    for (std::size_t j = 0; j < tasks; ++j)
      for (std::size_t i = 0; i < tasks; ++i) {
        double& e = noise[j * tasks + i];
        const double fresh = skewed ? 1 + std::log(1 - random.uniform()) : random.normal();
        e = carry * e + std::sqrt(1 - carry * carry) * fresh;
        moment.table[j * tasks + i] = -0.7 + (labels[i] == labels[j] ? gain : 0) + e;
      }
  }
};

/// Blocks until the groups are as wanted; `limit` if that doesn't happen.
std::size_t blocks_until(Trained<DynamicGroups>& training, Relation& relation, const Labels& truth, std::size_t limit,
                         const Labels& wanted) {
  Given moment(training.tasks);
  const std::size_t block = training.rule.every * training.rule.looks;
  for (std::size_t batch = 0; batch < limit * block; ++batch) {
    if (training.labels() == wanted) return batch / block;
    training.turns();
    if (training.rule.wants(training.now)) {
      relation.draw(moment, truth);
      training.rule.look(training.now, moment);
    }
    training.now.end_batch();
  }
  return limit;
}

}  // namespace

TEST_CASE("groups, their order and their history") {
  Trained<DynamicGroups> training(4);
  Regrouping& now = training.now;
  CHECK(now.groups() == 1);
  std::vector<TaskSet> to(4);
  CHECK(now.deal(to) == 1);
  CHECK(to[0] == TaskSet::first(4));
  CHECK_FALSE(now.regroup(Labels{7, 7, 7, 7}));
  CHECK(now.regroup(Labels{5, 2, 5, 9}));
  CHECK(training.labels() == Labels{0, 1, 0, 2});
  CHECK(now.deal(to) == 3);
  CHECK(to == std::vector<TaskSet>{set({0, 2}), set({1}), set({3}), {}});
  now.end_batch();
  now.begin_batch();
  now.note_turn();
  CHECK(now.regroup(Labels{0, 0, 1, 1}));  // in batch 1: from batch 2 on
  now.end_batch();
  const GroupHistory history = training.history();
  CHECK(history.batches == 2);
  CHECK(history.passes == 1);
  CHECK(history.changes == 2);
  REQUIRE(history.log.size() == 2);
  CHECK(history.log[0].batch == 0);
  CHECK(history.log[1].batch == 2);
  CHECK(history.groups == std::vector<TaskSet>{set({0, 1}), set({2, 3})});
  const std::array<std::string_view, 4> names{"a", "b", "c", "d"};
  CHECK(history.text(names) ==
        "after 2 batches and 1 passes: {a, b} {c, d}\nfrom batch 0: {a, c} {b} {d}\n"
        "from batch 2: {a, b} {c, d}\n");
  CHECK_THROWS_WITH_AS(now.regroup(Labels{1, 2}), "mtlx: regroup: 2 labels for 4 tasks", Error);

  // Every order comes, and depends on seed and batch alone.
  std::size_t first[2] = {};
  for (int batch = 0; batch < 400; ++batch) {
    std::vector<TaskSet> again(4);
    REQUIRE(now.deal_shuffled(to) == 2);
    REQUIRE(now.deal_shuffled(again) == 2);
    REQUIRE(to == again);
    ++first[to[0].has(0) ? 0 : 1];
    now.end_batch();
  }
  CHECK(first[0] > 150);
  CHECK(first[1] > 150);

  // The last changes are kept, and how many there were.
  for (std::size_t change = 0; change < 100; ++change) {
    now.regroup(change % 2 == 0 ? Labels{0, 1, 2, 3} : Labels{0, 0, 0, 1});
    now.end_batch();
  }
  const GroupHistory later = training.history();
  CHECK(later.changes == 102);
  REQUIRE(later.log.size() == Regrouping::logged);
  CHECK(later.log.back().batch == 501);
  CHECK(later.log.front().batch == 501 - 63);
  CHECK(later.log.back().groups.size() == 2);
  CHECK(later.text(names).find("the last 64 of 102 changes:") != std::string::npos);
}

TEST_CASE("SelectiveUpdates: a step's effects, by hand") {
  Trained<SelectiveUpdates> training(4, {.beta = 0.5});
  CHECK(training.now.groups() == 4);  // each task apart
  const auto took = [&](TaskSet acting, TaskSet present, std::array<double, 4> before, std::array<double, 4> after) {
    training.rule.took(training.now, {acting, present, before, after});
  };
  const auto effect = [&](std::size_t affected, std::size_t acting) {
    return SelectiveUpdates::effect(training.now, affected, acting);
  };
  // a = (0.25, 0.1, -0.25, 0.0) / 2; task 3 has no label.
  took(set({0, 1}), TaskSet::first(3), {4, 1, 2, 0}, {2, 0.8, 3, 0});
  CHECK(effect(0, 0) == doctest::Approx(0.25));
  CHECK(effect(1, 0) == doctest::Approx(0.1));
  CHECK(effect(2, 0) == doctest::Approx(-0.25));
  CHECK(effect(0, 1) == doctest::Approx(0.25));
  CHECK(effect(1, 1) == doctest::Approx(0.1));
  CHECK(effect(2, 1) == doctest::Approx(-0.25));
  CHECK(effect(3, 0) == 0);
  CHECK(effect(0, 2) == 0);
  // The two disagree: neither helps the other, by the larger of the two; a loss for itself isn't an effect. The second number
  // is a mean with weights 1/2 and 1/4: (2 v + u) / 3.
  took(set({0, 1}), TaskSet::first(3), {1, 1, 1, 0}, {0.6, 1.4, 1, 0});
  CHECK(effect(0, 0) == doctest::Approx((2 * 0.2 + 0.25) / 3));
  CHECK(effect(1, 1) == doctest::Approx(0.1));
  CHECK(effect(1, 0) == doctest::Approx((2 * -0.2 + 0.1) / 3));
  CHECK(effect(0, 1) == doctest::Approx((2 * -0.2 + 0.25) / 3));
  // A loss of 0 can't be divided by.
  took(set({2}), TaskSet::first(4), {0, 1, 1, 1}, {1, 1, 1, 2});
  CHECK(effect(0, 2) == 0);
  CHECK(effect(3, 2) == doctest::Approx(-1));
  CHECK_FALSE(training.rule.looks_after(training.now));
  training.now.regroup(Labels(4));
  CHECK(training.rule.looks_after(training.now));
}

TEST_CASE("SelectiveUpdates finds the groups whose steps help each other, and follows when they change") {
  const std::size_t tasks = 6;
  Trained<SelectiveUpdates> training(tasks, {.beta = 0.02, .warm_up = 40, .every = 20});
  Random random(3, Purpose::user);
  std::vector<double> losses(tasks, 1), before(tasks);
  const auto run = [&](const Labels& truth, int batches) {
    for (int batch = 0; batch < batches; ++batch) {
      const std::vector<TaskSet> turns = training.turns();
      std::vector<double> at = losses;
      for (std::size_t g = 0; g < turns.size(); ++g) {
        before = at;
        for (std::size_t t = 0; t < tasks; ++t)
          for (std::size_t s = 0; s < tasks; ++s)
            if (turns[g].has(s))
              at[t] *= 1 - (s == t ? 0.02 : truth[s] == truth[t] ? 0.01 : -0.004) - 0.003 * random.normal();
        // The last group's effect is not known, unless it is asked for.
        if (g + 1 < turns.size() || training.rule.looks_after(training.now))
          training.rule.took(training.now, {turns[g], TaskSet::first(tasks), before, at});
      }
      training.now.end_batch();
      if (training.now.batches() <= 40) CHECK(turns.size() == tasks);  // warming up
    }
  };
  run({0, 0, 0, 1, 1, 1}, 400);
  CHECK(training.labels() == Labels{0, 0, 0, 1, 1, 1});
  // Row: affected. Task 4's steps harm task 0, its own group's help it: whoever credits the group after sees the reverse.
  CHECK(SelectiveUpdates::effect(training.now, 0, 1) > 0);
  CHECK(SelectiveUpdates::effect(training.now, 0, 4) < 0);
  run({0, 1, 0, 1, 0, 1}, 800);
  CHECK(training.labels() == Labels{0, 1, 0, 1, 0, 1});
}

TEST_CASE("SelectiveUpdates: what wasn't seen divides nothing") {
  Trained<SelectiveUpdates> training(3, {.beta = 0.1, .warm_up = 1, .every = 1});
  const std::array<double, 3> before{1, 1, 1}, worse{1.1, 1.1, 1.1}, better{0.9, 0.9, 0.9};
  for (int batch = 0; batch < 30; ++batch) {
    training.turns();
    for (std::size_t s = 0; s < 2; ++s)  // task 2's step is never seen
      training.rule.took(training.now, {TaskSet::only(s), TaskSet::first(3), before, batch < 15 ? worse : better});
    training.now.end_batch();
  }
  CHECK(training.now.groups() == 3);
  CHECK(training.history().changes == 0);
  for (const double number : training.numbers) CHECK(is_finite(number));
  CHECK_THROWS_WITH_AS(validate(SelectiveUpdates{.beta = 0}), "mtlx: SelectiveUpdates::beta must be above 0", Error);
  CHECK_THROWS_WITH_AS(validate(SelectiveUpdates{.every = 0}),
                       "mtlx: SelectiveUpdates::every must be at least 1, and is 0", Error);
}

TEST_CASE("DynamicGroups: what groups are worth, and the next best") {
  // Contrasts by hand; task 3's row is not known.
  const std::vector<double> contrasts{none, 1,    -2,   1,   //
                                      2,    none, -1,   -1,  //
                                      0,    -3,   none, 3,   //
                                      none, none, none, none};
  CHECK(DynamicGroups::value(contrasts, Labels{0, 0, 0, 0}) == doctest::Approx(0));
  CHECK(DynamicGroups::value(contrasts, Labels{0, 1, 2, 3}) == 0);
  CHECK(DynamicGroups::value(contrasts, Labels{0, 0, 1, 1}) == doctest::Approx((1.0 + 2 + 3) / 3));
  CHECK(DynamicGroups::value(contrasts, Labels{0, 0, 1, 0}) == doctest::Approx((1.0 + 0.5 + 0) / 3));
  // A transposed table is another question.
  std::vector<double> turned(16);
  for (std::size_t j = 0; j < 4; ++j)
    for (std::size_t i = 0; i < 4; ++i) turned[i * 4 + j] = contrasts[j * 4 + i];
  CHECK(DynamicGroups::value(turned, Labels{0, 0, 1, 1}) != doctest::Approx(2));
  CHECK(DynamicGroups::improve(contrasts, Labels(4), 2) == Labels{0, 0, 1, 1});
  CHECK(DynamicGroups::improve(contrasts, Labels(4), 1) == Labels(4));
  CHECK_THROWS_WITH_AS(Trained<DynamicGroups>(2),
                       "mtlx: DynamicGroups: which partner is better takes at least 3 tasks, and there are 2", Error);
  CHECK_THROWS_WITH_AS(validate(DynamicGroups{.clip = 0}), "mtlx: DynamicGroups::clip must be above 0", Error);
  CHECK_THROWS_WITH_AS(validate(DynamicGroups{.looks = 0}),
                       "mtlx: DynamicGroups: every, looks and most must be at least 1", Error);
  CHECK_THROWS_WITH_AS(validate(DynamicGroups{.held_out = 0}), "mtlx: DynamicGroups::held_out must be above 0", Error);
  validate(DynamicGroups{});
}

TEST_CASE("DynamicGroups: exchangeable tasks are regrouped in vain as rarely as it says") {
  const std::size_t tasks = 5, runs = 300, blocks = 60;
  const Labels apart{0, 1, 2, 3, 4};
  const DynamicGroups rule{.every = 1, .looks = 6, .alpha = 0.1};
  std::size_t wrong = 0, bets = 0, changed = 0;
  for (std::size_t run = 0; run < runs; ++run) {
    Relation relation{{run, Purpose::user}, tasks};
    relation.skewed = run % 2 == 1;
    Trained<DynamicGroups> training(tasks, rule);
    blocks_until(training, relation, apart, blocks, apart);  // never: all are apart
    wrong += training.history().changes > 0 ? 1 : 0;
    bets += DynamicGroups::evidence(training.now).blocks();
    if (run >= 20) continue;
    Trained<DynamicGroups> rash(tasks, {.every = 1, .looks = 6, .when = DynamicGroups::When::always});
    blocks_until(rash, relation, apart, blocks, apart);
    changed += rash.history().changes;
  }
  MESSAGE("regrouped in vain: ", wrong, " of ", runs, " trainings; without the test ", changed, " times in 20");
  CHECK(wrong <= 30);        // alpha is 0.1
  CHECK(bets > runs * 40);   // it did look
  CHECK(changed > 20 * 20);  // and following every block's candidate is no such test
}

TEST_CASE("DynamicGroups: a relation is found, and found again when it changes") {
  const std::size_t tasks = 6;
  const Labels halves{0, 0, 0, 1, 1, 1}, parity{0, 1, 0, 1, 0, 1};
  std::size_t first = 0, second = 0, late = 0, never = 0;
  for (std::uint64_t run = 0; run < 20; ++run) {
    Relation relation{{run, Purpose::user, 1}, tasks};
    relation.gain = 0.8;
    Trained<DynamicGroups> training(tasks, {.every = 1, .looks = 6});
    const std::size_t one = blocks_until(training, relation, halves, 80, halves);
    // A long quiet time costs no evidence: what is staked later is not lost before.
    blocks_until(training, relation, halves, 60, parity);
    CHECK(training.labels() == halves);
    const std::size_t two = blocks_until(training, relation, parity, 80, parity);
    first += one, second += two;
    late += (one > 30 ? 1 : 0) + (two > 40 ? 1 : 0);
    CHECK(training.labels() == parity);
    Trained<DynamicGroups> still(tasks, {.every = 1, .looks = 6, .when = DynamicGroups::When::never});
    blocks_until(still, relation, halves, 40, halves);
    never += still.history().changes;
  }
  MESSAGE("found after ", first / 20, " blocks, and its change after ", second / 20,
          ", in the mean of 20 trainings; late: ", late, " of 40");
  CHECK(late <= 3);
  CHECK(never == 0);
  // What a regrouping must be worth is its margin.
  Relation relation{{1, Purpose::user, 2}, tasks};
  relation.gain = 0.8;
  Trained<DynamicGroups> unwilling(tasks, {.every = 1, .looks = 6, .margin = 3});
  CHECK(blocks_until(unwilling, relation, halves, 60, halves) == 60);
  CHECK(unwilling.history().changes == 0);
}

TEST_CASE("what a rule remembers is in its numbers: a copy of them goes on the same") {
  const std::size_t tasks = 6;
  const Labels halves{0, 0, 0, 1, 1, 1};
  Relation relation{{4, Purpose::user, 1}, tasks};
  relation.gain = 0.8;
  Trained<DynamicGroups> one(tasks, {.every = 2, .looks = 3});
  blocks_until(one, relation, halves, 7, Labels(tasks, 1));
  Trained<DynamicGroups> other(tasks, one.rule);
  std::copy(one.numbers.begin(), one.numbers.end(), other.numbers.begin());
  Relation again = relation;
  blocks_until(one, relation, halves, 40, Labels(tasks, 1));
  blocks_until(other, again, halves, 40, Labels(tasks, 1));
  CHECK(one.labels() == halves);
  CHECK(one.numbers == other.numbers);
}
