// SPDX-License-Identifier: MIT
// All rules that know or find a plan, against workshops whose trainings come to known numbers.
#include <mtlx/core/tasks.hpp>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/exhaustive.hpp>
#include <mtlx/grouping/given.hpp>
#include <mtlx/grouping/higher_order.hpp>
#include <mtlx/grouping/random_groups.hpp>
#include <mtlx/grouping/separate.hpp>
#include <mtlx/grouping/surrogate.hpp>
#include <mtlx/grouping/task_affinity.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>

using namespace mtlx;
using namespace mtlx::grouping;

static_assert(GroupingRule<Separate> && GroupingRule<RandomGroups> && GroupingRule<Given<Serves<"a">>>);
static_assert(GroupingRule<TaskAffinity<>> && GroupingRule<HigherOrder> && GroupingRule<Exhaustive>);
static_assert(GroupingRule<Surrogate> && Finds<Surrogate> && !Knows<Surrogate> && !Finds<Separate>);

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<std::string_view, 14> all_names{"a", "b", "c", "d", "e", "f", "g",
                                                     "h", "i", "j", "k", "l", "m", "n"};

std::string letters_of(TaskSet set) {
  std::string letters;
  for (std::size_t t = 0; t < all_names.size(); ++t)
    if (set.has(t)) letters += all_names[t];
  return letters;
}
/// "ab>ab c+a>c": members > served, group for group, sorted.
std::string text_of(const std::vector<Group>& plan) {
  std::vector<std::string> groups;
  for (const Group& g : plan) groups.push_back(letters_of(g.members) + ">" + letters_of(g.serves));
  std::sort(groups.begin(), groups.end());
  std::string text;
  for (const std::string& group : groups) text += (text.empty() ? "" : " ") + group;
  return text;
}
bool says(const Evidence& evidence, const std::string& words) { return evidence.text.find(words) != std::string::npos; }

/// Losses are 2, and fall by twice the amounts times Z; the optimizer's memory and the step change nothing.
class Linear : public Moment {
 public:
  Linear(std::vector<double> z, std::size_t tasks, std::size_t step) : z_(std::move(z)), tasks_(tasks), step_(step) {}
  std::size_t tasks() const override { return tasks_; }
  TaskSet present() const override { return TaskSet::first(tasks_); }
  std::size_t step() const override { return step_; }
  std::uint64_t seed() const override { return 0; }
  std::span<const double> losses() override {
    values_.assign(tasks_, 2);
    return values_;
  }
  std::span<const double> losses_after(std::span<const double> amounts) override {
    values_.assign(tasks_, 2);
    for (std::size_t j = 0; j < tasks_; ++j)
      for (std::size_t i = 0; i < tasks_; ++i)
        if (amounts[i] > 0) values_[j] -= 2 * amounts[i] * z_[j * tasks_ + i];
    return values_;
  }
  double fall(std::size_t affected, std::size_t acting) override { return 2 * z_[affected * tasks_ + acting]; }
  double cosine(std::size_t, std::size_t) override { return 0; }

 private:
  std::vector<double> z_, values_;
  std::size_t tasks_, step_;
};

/// Trainings that come to what two functions say: the metric of a task in a group in a run, and the affinities in a step.
class Fake : public Workshop {
 public:
  explicit Fake(std::size_t tasks) : tasks_(tasks) {}

  std::size_t tasks() const override { return tasks_; }
  std::span<const std::string_view> names() const override { return std::span(all_names).first(tasks_); }
  std::uint64_t seed() const override { return 7; }
  std::size_t epochs() const override { return 3; }
  std::size_t steps_in_epoch() const override { return 10; }
  void hold_out(double share) override {
    CHECK(asked.empty());
    held_out.push_back(share);
  }
  Trained train(const Training& training) override {
    asked.push_back(training);
    Trained trained;
    trained.steps = 10 * (training.epochs > 0 ? training.epochs : 3);
    steps_ += trained.steps;
    for (std::size_t t = 0; t < tasks_; ++t) {
      trained.scores.push_back(training.members.has(t) ? metric(t, training.members, training.run) : none);
      trained.losses.push_back(training.members.has(t) ? loss(t, training.members, training.run) : none);
    }
    for (std::size_t step = 0; training.watch != nullptr && step < trained.steps; ++step)
      if (training.watch->wants(step)) {
        Linear moment(affinity(training.run, step), tasks_, step);
        training.watch->look(moment);
      }
    return trained;
  }
  Still& still(const std::string&, TaskSet) override { throw Error("no still"); }
  std::size_t steps() const override { return steps_; }

  std::function<double(std::size_t, TaskSet, std::uint64_t)> metric, loss = [](auto...) { return 1.0; };
  std::function<std::vector<double>(std::uint64_t, std::size_t)> affinity;
  std::vector<Training> asked;
  std::vector<double> held_out;

 private:
  std::size_t tasks_, steps_ = 0;
};

/// Every training was asked for once a run, and every run has the same groups.
std::set<std::string> groups_asked(const Fake& fake, std::size_t runs) {
  std::map<std::string, std::set<std::uint64_t>> found;
  for (const Training& training : fake.asked) found[letters_of(training.members)].insert(training.run);
  std::set<std::string> groups;
  for (const auto& [group, seen] : found) {
    CHECK(seen.size() == runs);
    groups.insert(group);
  }
  CHECK(fake.asked.size() == groups.size() * runs);
  return groups;
}

// Four tasks: what a gets from c and d from b is one-sided, so that a transposed table has another plan.
const std::vector<double> one_sided{0.9, 0.1, 0.5, 0.0,  //
                                    0.2, 0.9, 0.1, 0.0,  //
                                    0.0, 0.3, 0.9, 0.1,  //
                                    0.0, 0.6, 0.1, 0.9};

}  // namespace

TEST_CASE("plans that are known") {
  CHECK(text_of(Separate{}.plan(3)) == "a>a b>b c>c");
  const auto names = std::span(all_names).first(4);
  using Overlapping = Given<Serves<"b", "d">, Serves<"a", "c">::With<"d">>;
  CHECK(text_of(first_plan(Overlapping{}, names)) == "acd>ac bd>bd");
  CHECK_THROWS_AS(first_plan(Given<Serves<"a", "b">>{}, names), Error);
}

TEST_CASE("random plans: each partition is as likely") {
  std::map<std::string, double> counts;
  for (std::uint64_t seed = 0; seed < 7000; ++seed) {
    const auto plan = RandomGroups{.groups = 2, .seed = seed}.plan(4);
    check_plan(plan, 4);
    counts[text_of(plan)] += 1;
  }
  CHECK(counts.size() == 7);
  double chi_squared = 0;
  for (const auto& [plan, count] : counts) chi_squared += (count - 1000) * (count - 1000) / 1000;
  CHECK(chi_squared < 22.5);  // 6 degrees of freedom, p = 0.001
  CHECK(text_of(RandomGroups{.groups = 3}.plan(3)) == "a>a b>b c>c");
  CHECK(RandomGroups{.groups = 40, .seed = 1}.plan(64).size() == 40);
  check_plan(RandomGroups{.groups = 40, .seed = 1}.plan(64), 64);
  CHECK(RandomGroups{.groups = 3, .seed = 5}.plan(9) == RandomGroups{.groups = 3, .seed = 5}.plan(9));
  CHECK_THROWS_WITH_AS(RandomGroups{.groups = 4}.plan(3), "mtlx: RandomGroups: 4 groups of 3 tasks", Error);
  CHECK_THROWS_AS((RandomGroups{.groups = 0}.validate()), Error);
}

TEST_CASE("the search takes any table") {
  // Of three tasks, from another framework. Row: who is affected. Column: whose step it was.
  const std::vector<double> table{0.0, 0.3, 0.1,  //
                                  0.2, 0.0, 0.1,  //
                                  0.1, 0.4, 0.0};
  const std::array<std::string_view, 3> names{"left", "middle", "right"};
  const GroupSearch found = best_groups(table, 3, 2);
  const std::string plan = plan_text(found.plan(), names);  // "left, middle; (middle), right"
  CHECK(plan == "left, middle; (middle), right");
  CHECK(found.value == doctest::Approx((0.3 + 0.2 + 0.4) / 3));
}

TEST_CASE("TaskAffinity goes by pair averages of a joint training's mean table") {
  Fake fake(4);
  fake.metric = [](auto...) { return 1.0; };
  // Looks differ: the mean over looks is the table.
  fake.affinity = [](std::uint64_t, std::size_t step) {
    std::vector<double> z = one_sided;
    for (double& x : z) x *= step < 15 ? 0.5 : 1.5;
    return z;
  };
  const Plan plan =
      TaskAffinity<Lookahead>{.groups = 2, .epochs = 3, .measure = {.every = 5}, .held_out = 0.2}.find(fake);
  // Best of all: {a, c} for a, {b, d} for d leave 0 for the others; {b, c, d} for all but a is the better second group.
  // a: .5, b: (.1 + 0) / 2, c: (.3 + .1) / 2, d: (.6 + .1) / 2; or {b, d} with {a, b, c}: a .3, b .15, c .15, d .6.
  check_plan(plan.groups, 4);
  CHECK(text_of(plan.groups) == "abc>abc bd>d");
  CHECK(plan.evidence.value == doctest::Approx((0.3 + 0.15 + 0.15 + 0.6) / 4));
  REQUIRE(fake.asked.size() == 1);
  CHECK(fake.asked[0].members == TaskSet::first(4));
  CHECK(fake.asked[0].epochs == 3);
  CHECK(fake.held_out == std::vector<double>{0.2});
  REQUIRE(plan.evidence.tables.size() == 2);
  const Table& table = plan.evidence.tables[0];
  CHECK(table.tasks == std::vector<std::string>{"a", "b", "c", "d"});
  for (std::size_t cell = 0; cell < 16; ++cell) CHECK(table.values[cell] == doctest::Approx(one_sided[cell]));
  CHECK(plan.evidence.tables[1].at(0, 2) == doctest::Approx(0.5 - (0.1 + 0.0) / 2));
  CHECK(says(plan.evidence, "no cause"));
  CHECK(says(plan.evidence, "a row is the task that is affected"));
  CHECK(says(plan.evidence, "20 % of the training samples"));
  CHECK(says(plan.evidence, "6 looks, 30 steps"));
  CHECK(says(plan.evidence, "can't be said from one training"));

  // A transposed table has another plan.
  Fake turned(4);
  turned.metric = fake.metric;
  turned.affinity = [](auto...) {
    std::vector<double> z(16);
    for (std::size_t i = 0; i < 16; ++i) z[i] = one_sided[i % 4 * 4 + i / 4];
    return z;
  };
  const auto rule = TaskAffinity<Lookahead>{.groups = 2, .evaluation = Evaluation::same_batch};
  const Plan other = rule.find(turned);
  CHECK(text_of(other.groups) != text_of(plan.groups));
  CHECK(turned.held_out.empty());
  CHECK(says(other.evidence, "the step's own batch"));
}

TEST_CASE("TaskAffinity over runs says which partners can be told apart, and scales rows") {
  Fake fake(3);
  fake.metric = [](auto...) { return 1.0; };
  // b helps a, in every run; the rest is noise of runs. Row c is a thousand times as large.
  fake.affinity = [](std::uint64_t run, std::size_t) {
    const double noise = 0.01 * std::cos(3.0 * static_cast<double>(run));
    return std::vector<double>{0, 1, noise, 0.2 - noise, 0, 0.2 + 2 * noise, 1010 + noise, 1000, 0};
  };
  Plan plan = TaskAffinity<Lookahead>{.groups = 2, .runs = 5}.find(fake);
  CHECK(groups_asked(fake, 5) == std::set<std::string>{"abc"});
  CHECK(text_of(plan.groups) == "ab>ab ac>c");
  CHECK(plan.evidence.value == doctest::Approx((1 + 0.2 + 1010) / 3).epsilon(1e-3));
  REQUIRE(plan.evidence.tables.size() == 2);
  const Table& contrasts = plan.evidence.tables[1];
  CHECK(contrasts.p[1] < 1e-6);
  CHECK(contrasts.lower[1] > 0.9);
  CHECK(contrasts.p[3] > 0.05);
  CHECK(says(plan.evidence, "b helps a more than its other partners do"));
  CHECK(says(plan.evidence, "Over 5 runs, 4 of 6 pairs can be told"));

  // By values the large row decides; standardised, each row counts the same.
  const auto plan_by = [&](AffinityScale scale) {
    Fake rows(4);
    rows.metric = fake.metric;
    rows.affinity = [](auto...) {
      return std::vector<double>{0,   1,   0, 0,   //
                                 1,   0,   0, 0,   //
                                 100, 0,   0, 90,  //
                                 0.2, 0.2, 1, 0};
    };
    return text_of(TaskAffinity<Lookahead>{.groups = 2, .scale = scale}.find(rows).groups);
  };
  CHECK(plan_by(AffinityScale::standardised) == "ab>ab cd>cd");
  CHECK(plan_by(AffinityScale::values) != "ab>ab cd>cd");
  CHECK(plan_by(AffinityScale::contrasts) == plan_by(AffinityScale::values));
}

TEST_CASE("TaskAffinity: what can't be said is an error") {
  Fake fake(3);
  fake.metric = [](auto...) { return 1.0; };
  fake.affinity = [](auto...) { return std::vector<double>{0, 1, 1, 1, 0, 1, 1, none, 0}; };
  CHECK_THROWS_WITH_AS(
      TaskAffinity<>{}.find(fake),
      "mtlx: TaskAffinity: no look could tell how the step of \"b\" changes the loss of \"c\": they need "
      "labels in the same steps, and losses above 0",
      Error);
  Fake never(3);
  never.metric = fake.metric;
  CHECK_THROWS_WITH_AS((TaskAffinity<Lookahead>{.measure = {.every = 0}}.find(never)),
                       "mtlx: TaskAffinity: the measure did not look once in a whole training", Error);
  Fake two(2);
  CHECK_THROWS_AS((TaskAffinity<>{.scale = AffinityScale::contrasts}.find(two)), Error);
  two.metric = fake.metric;
  two.affinity = [](auto...) { return std::vector<double>{0, -1, -1, 0}; };
  CHECK(text_of(TaskAffinity<>{}.find(two).groups) == "ab>ab");
  CHECK_THROWS_AS((TaskAffinity<>{.groups = 0}.validate()), Error);
  CHECK_THROWS_AS((TaskAffinity<>{.runs = 0}.validate()), Error);
  CHECK_THROWS_AS((TaskAffinity<>{.held_out = 0}.validate()), Error);
  TaskAffinity<>{.evaluation = Evaluation::same_batch, .held_out = 0}.validate();
}

namespace {

// Gains in percent of what a task comes to alone, 50: pairs help or hurt, and c in the group of a and b takes all from them.
double with_interaction(std::size_t task, TaskSet group, std::uint64_t run) {
  static const double pairs[4][4] = {{0, 4, 3, -2}, {4, 0, 3, -2}, {1, 1, 0, 2}, {-1, -1, 2, 0}};
  double gain = 0;
  for (std::size_t j = 0; j < 4; ++j)
    if (group.has(j) && j != task) gain += pairs[task][j];
  if (group.count() > 2) gain /= static_cast<double>(group.count() - 1);
  if (group.count() > 2 && task < 2) gain -= 5;
  // Runs differ, all groups of a run alike; groups by a little.
  const double level = 50 + 5 * static_cast<double>(run);
  return level * (1 + (gain + 0.1 * static_cast<double>(run) * static_cast<double>(group.count() > 1)) / 100);
}

}  // namespace

TEST_CASE("HigherOrder trains tasks alone and in pairs, and guesses the rest") {
  Fake fake(4);
  fake.metric = with_interaction;
  const Plan plan = HigherOrder{.groups = 1, .runs = 3, .epochs = 2}.find(fake);
  CHECK(groups_asked(fake, 3) == std::set<std::string>{"a", "b", "c", "d", "ab", "ac", "ad", "bc", "bd", "cd"});
  CHECK(fake.asked.back().epochs == 2);
  CHECK(fake.held_out == std::vector<double>{0.1});
  REQUIRE(plan.evidence.tables.size() == 1);
  const Table& table = plan.evidence.tables[0];
  CHECK(table.at(0, 1) == doctest::Approx(0.041));  // 4 % and the mean of 0, 0.1 and 0.2
  CHECK(table.at(3, 0) == doctest::Approx(-0.009));
  CHECK(table.at(2, 2) == 0);
  // 0, 0.1, 0.2 %: standard deviation 0.1 %, t(0.975, 2) = 4.302653.
  CHECK(table.upper[1] - table.values[1] == doctest::Approx(0.001 * 4.302653 / std::sqrt(3.0)));
  CHECK(text_of(plan.groups) == "abcd>abcd");
  CHECK(says(plan.evidence, "10 groups of tasks trained, each in 3 runs"));
  CHECK(says(plan.evidence, "30 trainings, 600 steps"));
  CHECK(says(plan.evidence, "guesses"));
  CHECK(says(plan.evidence, "no cause"));
  CHECK(says(plan.evidence, "a row is the task that is affected"));

  // Two networks: pairs alone would have c and d train with a and b too, if they helped them; they don't.
  Fake more(4);
  more.metric = with_interaction;
  const Plan two = HigherOrder{.groups = 2}.find(more);
  CHECK(text_of(two.groups) == "ab>ab cd>cd");
  CHECK(two.evidence.value == doctest::Approx((0.04 + 0.04 + 0.02 + 0.02) / 4));
  CHECK(two.evidence.tables[0].lower.empty());
  CHECK(says(two.evidence, "a with a and b: +4.0 %."));
  CHECK(says(two.evidence, "One run each"));
}

TEST_CASE("Exhaustive knows what pairs can't: a third task that spoils two") {
  // c helps a and b in pairs, and takes all from them where they are three.
  const auto metric = [](std::size_t task, TaskSet group, std::uint64_t) {
    double gain = group.count() == 2 ? 4 : 0;
    if (group.count() == 3) gain = task == 2 ? 5 : -3;
    return -(100 - gain);  // an error: lower is better, so the score is its negative
  };
  Fake fake(3);
  fake.metric = metric;
  CHECK(text_of(HigherOrder{.groups = 1}.find(fake).groups) == "abc>abc");
  Fake all(3);
  all.metric = metric;
  const Plan plan = Exhaustive{.groups = 2}.find(all);
  CHECK(groups_asked(all, 1) == std::set<std::string>{"a", "b", "c", "ab", "ac", "bc", "abc"});
  CHECK(plan.evidence.value == doctest::Approx((4 + 4 + 5) / 300.0));
  CHECK(text_of(plan.groups) == "ab>ab abc>c");
  CHECK(says(plan.evidence, "7 trainings"));
  CHECK(!says(plan.evidence, "guesses"));
  // One network only: together.
  Fake one(3);
  one.metric = metric;
  CHECK(Exhaustive{.groups = 1}.find(one).evidence.value == doctest::Approx((5 - 3 - 3) / 300.0));

  Fake many(13);
  many.metric = metric;
  CHECK_THROWS_WITH_AS(Exhaustive{}.find(many),
                       "mtlx: Exhaustive: all groups of 13 tasks are too many to train; it takes at most 12 tasks",
                       Error);
  CHECK(many.asked.empty());
}

TEST_CASE("by losses, which may be 0 alone; a task that can't be judged is named") {
  Fake fake(2);
  fake.metric = [](auto...) { return none; };
  fake.loss = [](std::size_t task, TaskSet group, std::uint64_t) {
    return task == 0 ? (group.count() > 1 ? 1.5 : 2.0) : (group.count() > 1 ? 0.5 : 0.0);
  };
  const Plan plan = HigherOrder{.groups = 2, .judged_by = JudgedBy::loss}.find(fake);
  CHECK(plan.evidence.tables[0].at(0, 1) == doctest::Approx(0.25));
  CHECK(plan.evidence.tables[0].at(1, 0) == doctest::Approx(-0.5));
  CHECK(text_of(plan.groups) == "ab>a b>b");
  CHECK(says(plan.evidence, "Judged by the loss"));
  Fake silent(2);
  silent.metric = [](std::size_t task, auto...) { return task == 1 ? none : 1.0; };
  CHECK_THROWS_WITH_AS(Exhaustive{}.find(silent),
                       "mtlx: Exhaustive: the task \"b\" has no metric on the samples that judge, after training b",
                       Error);
}

TEST_CASE("Surrogate finds the plan of gains that add up, from few groups") {
  // a, b, c help each other, and so do d, e, f; across they hurt. What a task comes to alone differs.
  const auto metric = [](std::size_t task, TaskSet group, std::uint64_t run) {
    double gain = 0;
    for (std::size_t j = 0; j < 6; ++j)
      if (group.has(j) && j != task) gain += j / 3 == task / 3 ? 1.0 + 0.1 * static_cast<double>(j) : -0.8;
    return (60 + static_cast<double>(task + run)) * (1 + gain / 100);
  };
  Fake fake(6);
  fake.metric = metric;
  const Plan plan = Surrogate{.groups = 2, .subsets = 14, .runs = 2}.find(fake);
  const auto asked = groups_asked(fake, 2);
  CHECK(asked.size() == 20);
  for (std::size_t t = 0; t < 6; ++t) CHECK(asked.count(std::string(all_names[t])) == 1);
  CHECK(text_of(plan.groups) == "abc>abc def>def");
  REQUIRE(plan.evidence.tables.size() == 2);
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t j = 0; j < 6; ++j)
      if (i != j) {
        CAPTURE(i);
        CAPTURE(j);
        const double expected = j / 3 == i / 3 ? 0.01 + 0.001 * static_cast<double>(j) : -0.008;
        CHECK(plan.evidence.tables[0].at(i, j) == doctest::Approx(expected).epsilon(0.05));
      }
  CHECK(says(plan.evidence, "20 groups of tasks trained"));
  CHECK(says(plan.evidence, "no interactions"));
  CHECK(says(plan.evidence, "no cause"));
  Fake many(21);
  CHECK_THROWS_WITH_AS(Surrogate{}.find(many),
                       "mtlx: Surrogate: all groups of 21 tasks are too many to search; it takes at most 20 tasks",
                       Error);
  CHECK(many.asked.empty());
  CHECK_THROWS_AS((Surrogate{.groups = 0}.validate()), Error);
  CHECK_THROWS_AS((HigherOrder{.runs = 0}.validate()), Error);
  CHECK_THROWS_AS((Exhaustive{.groups = 0}.validate()), Error);
  CHECK_THROWS_AS((Exhaustive{.held_out = 1}.validate()), Error);
}

TEST_CASE("one task has nothing to group: nothing is trained") {
  Fake fake(1);
  const auto check = [&](const auto& rule) {
    CHECK(text_of(rule.find(fake).groups) == "a>a");
    CHECK(fake.asked.empty());
  };
  check(TaskAffinity<>{});
  check(HigherOrder{});
  check(Exhaustive{});
  check(Surrogate{});
}
