// SPDX-License-Identifier: MIT
#include <mtlx/grouping/gradient_surrogate.hpp>
#include <mtlx/grouping/validated_affinity.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <map>

using namespace mtlx;
using namespace mtlx::grouping;
namespace inner = mtlx::grouping::detail;

namespace {

const std::array<std::string_view, 6> names{"a", "b", "c", "d", "e", "f"};

TaskSet set(std::initializer_list<std::size_t> tasks) {
  TaskSet all;
  for (const std::size_t t : tasks) all = all.with(t);
  return all;
}
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }
bool same(const std::vector<Group>& plan, std::vector<TaskSet> groups) {
  return plan.size() == groups.size() && std::all_of(plan.begin(), plan.end(), [&](const Group& g) {
           return std::find(groups.begin(), groups.end(), g.members) != groups.end();
         });
}

/// Looks at what a moment says to first order.
struct Falls {
  static constexpr std::string_view name = "falls";
  std::size_t every = 10;
  bool wants(std::size_t step) const { return every > 0 && step % every == 0; }
  void look(Moment& moment, std::span<double> table) const {
    for (std::size_t cell = 0; cell < table.size(); ++cell)
      table[cell] = moment.fall(cell / moment.tasks(), cell % moment.tasks());
  }
};
static_assert(GroupingRule<ValidatedAffinity<Falls>>);
static_assert(GroupingRule<ValidatedAffinity<>>);
static_assert(GroupingRule<GradientSurrogate>);

/// Trains nothing: numbers in, numbers out.
struct Fake final : Workshop {
  std::size_t n;
  double (*gain)(std::size_t task, TaskSet members);  // of log loss, over the task alone
  double (*affinity)(std::size_t affected, std::size_t acting);
  double noise = 0.01, loss_of_all = 1;
  double (*brief)(std::size_t task, TaskSet members) = nullptr;  // the same for fresh weights
  std::vector<double> held_out_shares;
  std::vector<Training> asked;
  std::vector<std::string> from;
  std::size_t taken = 0;

  Fake(std::size_t tasks, double (*g)(std::size_t, TaskSet), double (*a)(std::size_t, std::size_t))
      : n(tasks), gain(g), affinity(a) {}

  struct Look final : Moment {
    const Fake& of;
    std::size_t at, run;
    Look(const Fake& fake, std::size_t step, std::size_t training) : of(fake), at(step), run(training) {}
    std::size_t tasks() const override { return of.n; }
    TaskSet present() const override { return TaskSet::first(of.n); }
    std::size_t step() const override { return at; }
    std::uint64_t seed() const override { return run; }
    std::span<const double> losses() override { return {}; }
    std::span<const double> losses_after(std::span<const double>) override { return {}; }
    std::span<const double> batch_losses() override { return {}; }
    double batch_fall(std::size_t, std::size_t) override { return 0; }
    double cosine(std::size_t, std::size_t) override { return 0; }
    // What a run's first weights do to a pair is most of the noise.
    double fall(std::size_t affected, std::size_t acting) override {
      Random of_run(run, Purpose::user, affected * 64 + acting), of_look(at, Purpose::user, affected * 64 + acting);
      return of.affinity(affected, acting) + 0.02 * of_run.normal() + 0.01 * of_look.normal();
    }
  };

  std::size_t tasks() const override { return n; }
  std::span<const std::string_view> names() const override { return std::span(::names).first(n); }
  std::uint64_t seed() const override { return 3; }
  std::size_t epochs() const override { return 10; }
  std::size_t steps_in_epoch() const override { return 200; }
  void hold_out(double share) override { held_out_shares.push_back(share); }
  std::size_t steps() const override { return taken; }
  Still& still(const std::string&, TaskSet) override { fail("not here"); }
  Trained train(const Training& training) override {
    asked.push_back(training);
    from.push_back(training.from != nullptr ? *training.from : "");
    Trained result;
    result.steps = training.steps > 0 ? training.steps : 2000;
    taken += result.steps;
    if (training.watch != nullptr)
      for (std::size_t step = 0; step < result.steps; ++step)
        if (training.watch->wants(step)) {
          Look look(*this, step, training.run);
          training.watch->look(look);
        }
    for (std::size_t k = 0; k < training.snapshots.size(); ++k) result.states.push_back(join(training.run, "/", k));
    for (std::size_t t = 0; t < n; ++t) {
      Random error(training.run, Purpose::user, 1000 + 64 * training.members.bits() + t);
      Random common(training.run, Purpose::user, 100 + t);  // of the run and the task, whoever else is there
      const auto of = training.from == nullptr && brief != nullptr ? brief : gain;
      result.losses.push_back(
          training.members.has(t)
              ? loss_of_all * std::exp(0.3 * common.normal() + noise * error.normal() - of(t, training.members))
              : std::nan(""));
    }
    result.scores = result.losses;
    return result;
  }
};

// a and b help each other, and so do c and d; the others hurt.
bool friends(std::size_t i, std::size_t j) { return i / 2 == j / 2; }
double by_pairs(std::size_t task, TaskSet members) {
  double gain = 0;
  for (std::size_t j = 0; j < 6; ++j)
    if (members.has(j) && j != task) gain += friends(task, j) ? 0.2 : -0.1;
  return gain;
}
double told(std::size_t i, std::size_t j) { return friends(i, j) ? 0.3 : -0.2; }
double told_wrong(std::size_t i, std::size_t j) { return -told(i, j); }
double all_alike(std::size_t, std::size_t) { return -0.4; }
double all_hurt(std::size_t, TaskSet members) { return -0.05 * static_cast<double>(members.count() - 1); }

}  // namespace

TEST_CASE("ValidatedAffinity asks for what it says, and finds who helps") {
  Fake shop(4, by_pairs, told);
  const ValidatedAffinity<Falls> rule{.groups = 2, .draws = 200};
  const Plan plan = rule.find(shop);
  CHECK(same(plan.groups, {set({0, 1}), set({2, 3})}));
  CHECK(plan.evidence.value == doctest::Approx(0.2).epsilon(0.1));

  // 5 joint trainings of 600 of 2000 steps; 3 x 2 states, each with 4 tasks alone and a design's sets.
  CHECK(shop.held_out_shares == std::vector<double>{0.1});
  const auto cost = rule.cost(4, 2000);
  CHECK(cost.steps_of_a_joint_training == 600);
  CHECK(cost.joint == 3000);
  CHECK(cost.steps_of_a_rollout == 20);  // 2000 steps over 96 trainings
  CHECK(cost.steps_of_a_try == 200);
  CHECK(shop.taken <= cost.total());
  CHECK(has(plan.evidence.text, join("Planned ", cost.total(), " steps, took ", shop.taken).c_str()));
  const std::size_t sets = balanced_subsets(4, {.seed = 3}).subsets.size(), rollouts = 3 * 2 * sets;
  CHECK(sets > 4 + 6);
  REQUIRE(shop.asked.size() > 5 + rollouts);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(shop.asked[i].run == i);
    CHECK(shop.asked[i].members == TaskSet::first(4));
    CHECK(shop.asked[i].steps == 600);
    CHECK((shop.asked[i].snapshots.size() == 2) == (i < 3));
  }
  for (std::size_t i = 5; i < 5 + rollouts; ++i) {  // a state's trainings have the same batches, and no other's
    const std::size_t state = (i - 5) / sets;
    CHECK(shop.asked[i].run == 5 + state);
    CHECK(shop.from[i] == join(state / 2, "/", state % 2));
    CHECK(shop.asked[i].steps == 20);
  }
  for (std::size_t i = 5 + rollouts; i < shop.asked.size(); ++i) {  // fresh weights, the same for all plans
    CHECK(shop.asked[i].run == 11);
    CHECK(shop.from[i].empty());
    CHECK(shop.asked[i].steps == 200);
  }

  const auto& tables = plan.evidence.tables;
  REQUIRE(tables.size() == 4);
  CHECK(has(plan.evidence.text, "are not seen to matter"));
  CHECK(tables[0].at(0, 1) == doctest::Approx(0.3).epsilon(0.2));
  CHECK(tables[0].p.empty());
  CHECK(tables[1].at(0, 1) == doctest::Approx(0.5).epsilon(0.2));  // 0.3 against -0.2 of the two others
  CHECK(tables[1].p[1] < 0.05);
  CHECK(tables[1].lower[1] > 0);
  CHECK(tables[2].at(0, 1) == doctest::Approx(0.2).epsilon(0.1));
  CHECK(tables[2].at(2, 1) == doctest::Approx(-0.1).epsilon(0.2));
  CHECK(tables[2].upper[2] < 0);
  CHECK(is_nan(tables[2].at(3, 3)));
  CHECK(tables[3].at(0, 1) > 0.9);
  CHECK(tables[3].at(0, 2) < 0.1);
  CHECK(has(plan.evidence.text, "b helps a more than its other partners do"));
  CHECK(has(plan.evidence.text, "An affinity of 1 is worth a gain of 0.6"));
  CHECK(has(plan.evidence.text, "training with b helps a: 0.2"));
  CHECK(has(plan.evidence.text, inner::no_cause));

  // Affinity at odds with what trainings came to: said, and the plan goes by the trainings.
  Fake misled(4, by_pairs, told_wrong);
  const Plan other = rule.find(misled);
  CHECK(same(other.groups, {set({0, 1}), set({2, 3})}));
  CHECK(has(other.evidence.text, "An affinity of 1 is worth a gain of -0."));

  // The same numbers, the same words.
  Fake again(4, by_pairs, told);
  CHECK(rule.find(again).evidence.text == plan.evidence.text);
}

TEST_CASE("ValidatedAffinity says what it can't tell, and what did better when it was tried") {
  Fake shop(6, all_hurt, all_alike);
  shop.noise = 0.03;
  const Plan apart = ValidatedAffinity<Falls>{.groups = 6, .draws = 100}.find(shop);
  CHECK(has(apart.evidence.text,
            "none of 30 pairs can be told from chance (Holm's correction, 5 % over all of them).\nNothing can be said "
            "of them: "));
  CHECK(apart.groups.size() == 6);
  // At T = 6 it costs what the documents say.
  const double trainings = static_cast<double>(shop.taken) / 2000;
  CHECK(trainings > 2.5);
  CHECK(trainings < 5.5);  // 144 rollouts of at least 20 steps are more than one training of 2000
  CHECK(ValidatedAffinity<Falls>{}.cost(6, 15000).total() == 22500 + 144 * 104 + 7 * 1500);  // 3.2 trainings

  // Estimates that don't hold in fresh trainings lose to all together.
  Fake curse(4, by_pairs, told);
  curse.brief = [](std::size_t, TaskSet members) { return members.count() == 4 ? 0.3 : 0.0; };
  const Plan together = ValidatedAffinity<Falls>{.draws = 50}.find(curse);
  CHECK(same(together.groups, {TaskSet::first(4)}));
  CHECK(has(together.evidence.text, "(all together"));
  // Without tries the estimates decide.
  curse.asked.clear();
  const Plan kept = ValidatedAffinity<Falls>{.draws = 50, .tries = 0}.find(curse);
  CHECK(same(kept.groups, {set({0, 1}), set({2, 3})}));
  CHECK(has(kept.evidence.text, "It was not tried"));

  // Two tasks have no contrasts; one has no choice.
  Fake two(2, by_pairs, told);
  const Plan pair = ValidatedAffinity<Falls>{.draws = 50}.find(two);
  CHECK(same(pair.groups, {set({0, 1})}));
  CHECK(pair.evidence.tables.size() == 3);
  CHECK(has(pair.evidence.text, "there is no other partner"));
  Fake one(1, by_pairs, told);
  CHECK(ValidatedAffinity<Falls>{}.find(one).groups.size() == 1);
  CHECK(one.asked.empty());
}

TEST_CASE("ValidatedAffinity refuses what makes no sense") {
  const auto refused = [](const ValidatedAffinity<Falls>& rule, const char* says) {
    CHECK_THROWS_WITH_AS(rule.validate(), doctest::Contains(says), Error);
  };
  refused({.groups = 0}, "ValidatedAffinity: groups");
  refused({.runs = 1}, "ValidatedAffinity: runs");
  refused({.joint = 0}, "joint must be above 0");
  refused({.runs = 2}, "3 rollouts of 2 runs");
  refused({.level = 1}, "level");
  refused({.brief = 1.5}, "brief");
  refused({.held_out = 0}, "held_out is 0");
  Fake shop(3, by_pairs, told);
  CHECK_THROWS_WITH_AS(ValidatedAffinity<Falls>{.measure = {.every = 0}}.find(shop),
                       doctest::Contains("did not look once"), Error);
  shop.loss_of_all = 0;
  CHECK_THROWS_WITH_AS(ValidatedAffinity<Falls>{}.find(shop), doctest::Contains("the loss of the task \"a\" is 0"),
                       Error);
}

TEST_CASE("a loss and its gradient say what a margin is, and how it moves") {
  // Softmax over three classes, label 1: u = z1 - log(e^z0 + e^z2), and z is a linear function of w, z_i = by_w[i] . w.
  const std::array<double, 3> z{0.3, -0.7, 1.1};
  const double by_w[3][2] = {{1, 2}, {-0.5, 0.25}, {0.75, -1}};
  const double other = std::exp(z[0]) + std::exp(z[2]), whole = other + std::exp(z[1]);
  Eigen::VectorXd gradient(2), a(2);
  for (const int k : {0, 1})
    gradient[k] = (std::exp(z[0]) * by_w[0][k] + std::exp(z[2]) * by_w[2][k] - other * by_w[1][k]) / whole;
  double u = 0;
  inner::unlink(Link::margin, std::log(whole) - z[1], gradient, u, a);
  CHECK(u == doctest::Approx(z[1] - std::log(other)));
  for (const int k : {0, 1})
    CHECK(a[k] == doctest::Approx(by_w[1][k] - (std::exp(z[0]) * by_w[0][k] + std::exp(z[2]) * by_w[2][k]) / other));
  // l = r^2 / 2 with r = 3, dr/dw = (2, -1): u = r / sqrt 2, and the curvature 2 a a^T is dr/dw (dr/dw)^T.
  inner::unlink(Link::root, 4.5, Eigen::Vector2d(6, -3), u, a);
  CHECK(u == doctest::Approx(3 / std::sqrt(2.0)));
  CHECK(2 * a[0] * a[1] == doctest::Approx(-2));
  // No error, no movement, and no NaN.
  inner::unlink(Link::root, 0, Eigen::Vector2d(0, 0), u, a);
  CHECK((u == 0 && a.isZero()));
  inner::unlink(Link::margin, 0, Eigen::Vector2d(0, 0), u, a);
  CHECK((u > 16 && is_finite(u) && a.isZero()));
  inner::unlink(Link::margin, 1000, Eigen::Vector2d(1, 0), u, a);
  CHECK((u == -1000 && a[0] == -1));

  // Minima: w = -2 a u / (2 a^2 + lambda) by hand; and where the gradient is 0.
  std::vector<inner::Sketches> all(2);
  all[0] = {Link::root, Eigen::VectorXd::Constant(1, 1.5), Eigen::MatrixXd::Constant(1, 1, -2.0)};
  CHECK(inner::sketched_minimum(all, TaskSet::only(0), 4, 1)[0] == doctest::Approx(6.0 / 12));
  all[1] = {Link::margin, Eigen::Vector3d(-1, 0, 6), Eigen::RowVector3d(1, -0.5, 3)};
  const double w = inner::sketched_minimum(all, TaskSet::only(1), 0.1, 1)[0];
  const auto pull = [&](double v, double x) { return v / 3 / (1 + std::exp(x)); };
  CHECK(0.1 * w == doctest::Approx(pull(1, -1 + w) + pull(-0.5, -0.5 * w) + pull(3, 6 + 3 * w)).epsilon(1e-6));
}

namespace {

// Labels y = sign(v . x) with some turned, v common to two tasks at a time: few samples, so that two learn better than one.
struct Logistic final : Workshop, Still {
  static constexpr std::size_t n = 4, width = 12, few = 20, judges = 400;
  bool squared = false;
  std::size_t taken = 0;
  std::vector<std::array<double, width>> x;
  std::vector<double> y;
  std::array<double, n> judged{};

  explicit Logistic(bool square) : squared(square) {
    for (std::size_t t = 0; t < n; ++t) {
      Random truth(t / 2, Purpose::user, 1), draw(t, Purpose::user, 2);
      std::array<double, width> v;
      for (double& number : v) number = truth.normal();
      for (std::size_t s = 0; s < few + judges; ++s) {
        double sum = 0;
        auto& sample = x.emplace_back();
        for (std::size_t k = 0; k < width; ++k) sum += v[k] * (sample[k] = draw.normal());
        y.push_back(squared ? sum + 2 * draw.normal() : sum + 0.5 * draw.normal() > 0 ? 1 : -1);
      }
    }
  }
  double projection(std::uint64_t seed, std::size_t d, std::size_t k, std::size_t dimensions) const {
    return ((Random(seed, Purpose::user, 3).block(static_cast<std::uint32_t>(d * width + k))[0] & 1) != 0 ? 1 : -1) /
           std::sqrt(static_cast<double>(dimensions));
  }
  // Loss, and what it moves by with theta . x.
  std::pair<double, double> loss(std::size_t row, double z) const {
    if (squared) return {(z - y[row]) * (z - y[row]) / 2, z - y[row]};
    return {softplus(-y[row] * z), -y[row] * sigmoid(-y[row] * z)};
  }

  std::size_t tasks() const override { return n; }
  std::span<const std::string_view> names() const override { return std::span(::names).first(n); }
  std::uint64_t seed() const override { return 5; }
  std::size_t epochs() const override { return 1; }
  std::size_t steps_in_epoch() const override { return 10; }
  void hold_out(double) override {}
  std::size_t steps() const override { return taken; }
  Trained train(const Training&) override {
    taken += 10;
    return {{}, {}, {"state"}, 10};
  }
  Still& still(const std::string& state, TaskSet) override {
    CHECK(state == "state");
    return *this;
  }
  std::size_t samples(std::size_t) const override { return few; }
  double sketch(std::size_t task, std::size_t sample, std::uint64_t seed, std::span<double> to) override {
    const std::size_t row = task * (few + judges) + sample;
    const auto [value, slope] = loss(row, 0);  // theta_0 = 0
    for (std::size_t d = 0; d < to.size(); ++d) {
      to[d] = 0;
      for (std::size_t k = 0; k < width; ++k) to[d] += slope * projection(seed, d, k, to.size()) * x[row][k];
    }
    return value;
  }
  std::span<const double> losses_along(std::uint64_t seed, std::span<const double> w) override {
    std::array<double, width> theta{};
    for (std::size_t d = 0; d < w.size(); ++d)
      for (std::size_t k = 0; k < width; ++k) theta[k] += projection(seed, d, k, w.size()) * w[d];
    for (std::size_t t = 0; t < n; ++t) {
      judged[t] = 0;
      for (std::size_t s = few; s < few + judges; ++s) {
        const std::size_t row = t * (few + judges) + s;
        double z = 0;
        for (std::size_t k = 0; k < width; ++k) z += theta[k] * x[row][k];
        judged[t] += loss(row, z).first / static_cast<double>(judges);
      }
    }
    return judged;
  }
};

}  // namespace

TEST_CASE("GradientSurrogate finds tasks with common parameters") {
  for (const bool squared : {false, true}) {
    CAPTURE(squared);
    Logistic shop(squared);
    GradientSurrogate rule{.runs = 2, .dimensions = 24};
    if (squared) rule.links.assign(4, Link::root);
    const Plan plan = rule.find(shop);
    CHECK(same(plan.groups, {set({0, 1}), set({2, 3})}));
    CHECK(plan.evidence.value > 0);
    CHECK(shop.taken == 20);
    const Table& table = plan.evidence.tables.at(0);
    CHECK(table.at(0, 1) > table.at(0, 2));
    CHECK(is_nan(table.at(1, 1)));
    CHECK(has(plan.evidence.text, "11 sets of tasks, all there are"));
    CHECK(has(plan.evidence.text, inner::no_cause));
    // By some sets alone, and their pairs' means.
    rule.subsets = 8;
    CHECK(same(rule.find(shop).groups, {set({0, 1}), set({2, 3})}));
  }
  Logistic shop(true);
  CHECK_THROWS_WITH_AS((GradientSurrogate{.damping = {1, 0}}.find(shop)), doctest::Contains("damping must be above 0"),
                       Error);
  CHECK_THROWS_WITH_AS((GradientSurrogate{.links = {Link::root}}.find(shop)), doctest::Contains("links"), Error);
  CHECK_THROWS_WITH_AS((GradientSurrogate{.dimensions = 0}.find(shop)), doctest::Contains("dimensions"), Error);
}

TEST_CASE("the bounds of docs/theory.md hold, and its example is right") {
  // L = x'Hx / 2 + b'x with any symmetric H, |H| <= its Frobenius norm; three steps each.
  constexpr std::size_t n = 4;
  using Vector = std::array<double, n>;
  Random random(1, Purpose::user);
  for (int trial = 0; trial < 200; ++trial) {
    std::array<Vector, n> h;
    Vector b, at;
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
      b[i] = random.normal(), at[i] = random.normal();
      for (std::size_t k = 0; k <= i; ++k) h[i][k] = h[k][i] = random.normal();
    }
    for (const Vector& row : h)
      for (const double number : row) squares += number * number;
    const double lipschitz = std::sqrt(squares);
    const auto gradient = [&](const Vector& x, std::size_t i) {
      double sum = b[i];
      for (std::size_t k = 0; k < n; ++k) sum += h[i][k] * x[k];
      return sum;
    };
    const auto fall = [&](const Vector& step, double amount) {
      Vector x;
      double before = 0, after = 0;
      for (std::size_t i = 0; i < n; ++i) x[i] = at[i] + amount * step[i];
      for (std::size_t i = 0; i < n; ++i) {
        before += at[i] * (gradient(at, i) + b[i]) / 2;
        after += x[i] * (gradient(x, i) + b[i]) / 2;
      }
      return before - after;
    };
    Vector all{};
    double sum = 0, products = 0, lengths = 0;
    for (int one = 0; one < 3; ++one) {
      Vector step;
      double first = 0, square = 0;
      for (std::size_t i = 0; i < n; ++i) {
        all[i] += step[i] = random.normal();
        first -= gradient(at, i) * step[i];
        square += step[i] * step[i];
      }
      CHECK(std::abs(first - fall(step, 1)) <= lipschitz / 2 * square * (1 + 1e-9));
      // The odd part of a quadratic is its first order.
      CHECK((fall(step, 1) - fall(step, -1)) / 2 == doctest::Approx(first));
      sum += fall(step, 1);
      products += lengths * std::sqrt(square);
      lengths += std::sqrt(square);
    }
    CHECK(std::abs(fall(all, 1) - sum) <= lipschitz * products * (1 + 1e-9));
  }
  // L_1 = (x - 1)^2 / 2 and L_2 = (x - 3)^2 / 2 from 0, trained together until x = 1.6 with tiny steps: the affinity of 2's
  // steps on L_1 adds up to 0.96 - log(5) / 2 > 0, and yet L_1 ends higher than alone.
  double x = 0, alone = 0, affinity = 0;
  const double rate = 1e-5;
  while (x < 1.6) {
    const double next = x + rate * (3 - x);
    affinity += ((x - 1) * (x - 1) - (next - 1) * (next - 1)) / 2;
    alone += rate * (1 - alone);
    x += rate * ((1 - x) + (3 - x));
  }
  CHECK(affinity == doctest::Approx(0.96 - std::log(5.0) / 2).epsilon(1e-3));
  CHECK((x - 1) * (x - 1) / 2 == doctest::Approx(0.18).epsilon(1e-3));
  CHECK((alone - 1) * (alone - 1) / 2 == doctest::Approx(0.1).epsilon(1e-3));
}
