// SPDX-License-Identifier: MIT
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/sharing/soft.hpp>
#include <mtlx/training/multi_task.hpp>

#include "../training/small.hpp"
#include "network_laws.hpp"
#include "trace_norm_oracle.inc"

#include <cmath>
#include <cstring>
#include <type_traits>

using namespace mtlx;
using namespace network_laws;
using sharing::Soft;

namespace {

using Pulled = Soft<Trunk, sharing::ToMean, HeadB>;
using Paired = Soft<Trunk, sharing::Pairwise, HeadB>;
using Traced = Soft<Trunk, sharing::TraceNorm, HeadB>;
using Net = Pulled::Network<Shape{4}, Three>;
using TracedNet = Traced::Network<Shape{4}, Three>;
constexpr std::size_t trunk = 4 * 5 + 5;
constexpr TaskSet all = TaskSet::first(3);

/// Where number i of task t's trunk is.
std::size_t at(std::size_t t, std::size_t i) { return Net::segments[t].offset + i; }

double matrix(const TraceNormCase& c, std::size_t t, std::size_t i) {
  if (c.dependent && t + 1 == c.rows) return matrix(c, 0, i) - matrix(c, 1, i);
  const auto number = static_cast<int>((i * 7 + t * 13 + i * t * 5 + i * i * 3) % 17) - 8;
  return number / 8.0 * std::pow(c.factor, static_cast<double>(t));
}

template <class S>
sharing::TrunkRows<S> rows_of(std::vector<S>& numbers, std::size_t tasks, TaskSet present) {
  sharing::TrunkRows<S> rows{.row = {}, .tasks = tasks, .size = numbers.size() / tasks, .present = present};
  for (std::size_t t = 0; t < tasks; ++t) rows.row[t] = numbers.data() + t * rows.size;
  return rows;
}
double trace_norm(const std::vector<double>& numbers, std::size_t tasks) {
  sharing::TrunkRows<const double> rows{.row = {}, .tasks = tasks, .size = numbers.size() / tasks, .present = {}};
  for (std::size_t t = 0; t < tasks; ++t) rows.row[t] = numbers.data() + t * rows.size;
  return sharing::TraceNorm{.strength = 1}.penalty(rows);
}

// A penalty of both kinds, as a user may write it; and one that would change nothing.
struct Both {
  static constexpr bool weights_only = true;
  double mean = 0, trace = 0;

  double penalty(const auto& w) const {
    return sharing::ToMean{mean}.penalty(w) + sharing::TraceNorm{trace}.penalty(w);
  }
  void regularise(const auto& w, const auto& gradient) const { sharing::ToMean{mean}.regularise(w, gradient); }
  void project(const auto& w, double learning_rate) const { sharing::TraceNorm{trace}.project(w, learning_rate); }
};
struct Neither {
  static constexpr bool weights_only = true;
  double penalty(const auto&) const { return 0; }
};
static_assert(sharing::SoftPenalty<Both> && !sharing::SoftPenalty<Neither>);

}  // namespace

static_assert(SharingStrategy<Pulled>);
static_assert(Pulled::check<Shape{4}, Three>());
static_assert(std::is_base_of_v<sharing::Single<Trunk, HeadB>::Network<Shape{4}, Three>, Net>);

TEST_CASE("Soft: the laws, with each penalty") {
  for (const double strength : {0.0, 0.3}) {
    std::string broken =
        testing::check_sharing<Pulled, Shape{4}, Three, backend::Reference>({.pull = {.strength = strength}}).text();
    broken +=
        testing::check_sharing<Paired, Shape{4}, Three, backend::Reference>({.pull = {.strength = strength}}).text();
    const auto traced = testing::check_sharing<Traced, Shape{4}, Three>({.pull = {.strength = strength}});
    CHECK(broken + traced.text() == "");
    CHECK(traced.checks() > 1000);
  }
}

TEST_CASE("Soft: penalties by hand") {
  // One number differs: 1, 3 and 8 have the mean 4, squared distances 9 + 1 + 16, and 4 + 49 + 25 in pairs.
  std::vector<double> p(Net::parameters, 0.25);
  p[at(0, 2)] = 1, p[at(1, 2)] = 3, p[at(2, 2)] = 8;
  p[at(0, trunk)] = 100;  // a head's: not pulled
  const Pulled pulled{.pull = {.strength = 0.5}};
  CHECK(pulled.penalty<Net, double>(p, all) == doctest::Approx(13).epsilon(1e-14));
  CHECK(Paired{.pull = {.strength = 0.5}}.penalty<Net, double>(p, all) == doctest::Approx(39).epsilon(1e-14));
  std::vector<double> gradient(p.size(), 0.0);
  pulled.regularise<Net, double>(p, all, gradient);
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double expected = i == at(0, 2) ? -3 : i == at(1, 2) ? -1 : i == at(2, 2) ? 4 : 0;
    CHECK(gradient[i] == doctest::Approx(expected).epsilon(1e-14));
  }
  // A layer's weights are one row a task: [3 0; 0 4] has the trace norm 7, and a bias counts for nothing.
  std::fill(p.begin(), p.end(), 0.0);
  p[at(0, 0)] = 3, p[at(1, 7)] = -4, p[at(2, 20)] = 100;
  CHECK(Traced{.pull = {.strength = 0.5}}.penalty<TracedNet, double>(p, all) == doctest::Approx(3.5).epsilon(1e-14));
}

TEST_CASE("Soft: a task that the training has no labels of takes no part") {
  std::vector<double> p(Net::parameters, 0.25), gradient(Net::parameters, 0.0);
  p[at(0, 2)] = 1, p[at(1, 2)] = 100, p[at(2, 2)] = 5;
  const sharing::Attendance who(TaskSet::only(2), TaskSet::only(0).with(2));
  const Pulled pulled{.pull = {.strength = 0.5}};
  CHECK(pulled.penalty<Net, double>(p, who) == doctest::Approx(4).epsilon(1e-14));
  pulled.regularise<Net, double>(p, who, gradient);
  for (std::size_t i = 0; i < p.size(); ++i)
    CHECK(gradient[i] == doctest::Approx(i == at(2, 2) ? 2 : 0).epsilon(1e-14));
}

TEST_CASE("Soft: the proximal step by hand, in float") {
  std::vector<float> p(Net::parameters, 0.0F);
  p[at(0, 0)] = 3, p[at(1, 7)] = -4, p[at(2, 3)] = 0.25, p[at(2, 20)] = 100, p[at(1, trunk)] = 7;
  const std::vector<float> before = p;
  Traced{.pull = {.strength = 5}}.project<TracedNet, float>(p, all, 0.1);
  CHECK(p[at(0, 0)] == doctest::Approx(2.5));
  CHECK(p[at(1, 7)] == doctest::Approx(-3.5));
  CHECK(std::abs(p[at(2, 3)]) < 1e-7F);
  for (const std::size_t i : {at(2, 20), at(1, trunk)}) CHECK(p[i] == before[i]);
}

TEST_CASE("Soft: with weight 0 it is Single") {
  const std::vector<double> p = numbers(Net::parameters, 5), g = numbers(Net::parameters, 6);
  auto gradient = g, moved = p;
  Pulled{.pull = {.strength = 0}}.regularise<Net, double>(p, all, gradient);
  Paired{.pull = {.strength = 0}}.regularise<Net, double>(p, all, gradient);
  Traced{.pull = {.strength = 0}}.project<TracedNet, double>(moved, all, 0.1);
  CHECK(std::memcmp(gradient.data(), g.data(), g.size() * sizeof(double)) == 0);
  CHECK(std::memcmp(moved.data(), p.data(), p.size() * sizeof(double)) == 0);
  CHECK(Pulled{.pull = {.strength = 0}}.penalty<Net, double>(p, all) == 0);
}

TEST_CASE("Soft: a strong pull ends in Hard") {
  // Descent by the penalty alone, 2 lambda r = 1/2: each step halves the distance to the mean, which stays.
  std::vector<double> p = numbers(Net::parameters, 5);
  double mean = 0;
  for (std::size_t t = 0; t < 3; ++t) mean += p[at(t, 21)] / 3;
  for (int step = 0; step < 60; ++step) {
    std::vector<double> gradient(p.size(), 0.0);
    Pulled{.pull = {.strength = 2.5}}.regularise<Net, double>(p, all, gradient);
    for (std::size_t i = 0; i < p.size(); ++i) p[i] -= 0.1 * gradient[i];
  }
  for (std::size_t t = 0; t < 3; ++t) CHECK(p[at(t, 21)] == doctest::Approx(mean).epsilon(1e-13));
  // Then it is the network with one trunk: the same parameters, the same outputs.
  using HardNet = sharing::Hard<Trunk, HeadB>::Network<Shape{4}, Three>;
  std::vector<double> hard(p.begin(), p.begin() + trunk);
  for (std::size_t t = 0; t < 3; ++t) {
    std::copy_n(p.begin() + static_cast<std::ptrdiff_t>(at(0, 0)), trunk,
                p.begin() + static_cast<std::ptrdiff_t>(at(t, 0)));
    const auto begin = p.begin() + static_cast<std::ptrdiff_t>(at(t, trunk));
    hard.insert(hard.end(), begin, begin + static_cast<std::ptrdiff_t>(Net::segments[t].size - trunk));
  }
  REQUIRE(hard.size() == HardNet::parameters);
  CHECK(phi<Net>(p, all) == doctest::Approx(phi<HardNet>(hard, all)).epsilon(1e-13));
}

TEST_CASE("TraceNorm: the norm and the proximal point against NumPy's singular values") {
  for (const TraceNormCase& c : trace_norm_cases) {
    CAPTURE(c.rows);
    CAPTURE(c.threshold);
    std::vector<double> a;
    for (std::size_t t = 0; t < c.rows; ++t)
      for (std::size_t i = 0; i < c.columns; ++i) a.push_back(matrix(c, t, i));
    CHECK(trace_norm(a, c.rows) == doctest::Approx(c.norm).epsilon(1e-12));
    const auto before = a;
    sharing::TraceNorm{.strength = 4 * c.threshold}.project(rows_of(a, c.rows, TaskSet::first(c.rows)), 0.25);
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - c.after[i]));
    CHECK(worst < 1e-11);
    // It is the least of 1/2 |X - A|² + threshold |X|_*: no point nearby has less.
    const auto value = [&](const std::vector<double>& x) {
      double sum = 0;
      for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - before[i]) * (x[i] - before[i]) / 2;
      return sum + c.threshold * trace_norm(x, c.rows);
    };
    const double least = value(a);
    for (std::uint64_t direction = 0; direction < 20; ++direction) {
      auto near = a;
      const auto step = numbers(a.size(), 100 + direction);
      for (std::size_t i = 0; i < near.size(); ++i) near[i] += 1e-3 * step[i];
      CHECK(value(near) >= least - 1e-13);
    }
    // Of absent tasks nothing changes, and the present rows are what they were with all.
    if (c.rows == 1) continue;
    auto some = before;
    sharing::TraceNorm{.strength = 4 * c.threshold}.project(rows_of(some, c.rows, TaskSet::only(1)), 0.25);
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(some[i] == (i / c.columns == 1 ? a[i] : before[i]));
  }
}

TEST_CASE("Soft: a strength below 0 is refused") {
  CHECK_THROWS_WITH_AS((Pulled{.pull = {.strength = -1}}.validate()),
                       "mtlx: ToMean: strength must be a number of at least 0, and is -1", Error);
  CHECK_THROWS_AS((Paired{.pull = {.strength = network_laws::nan}}.validate()), Error);
  CHECK_THROWS_AS((Traced{.pull = {.strength = -1e-9}}.validate()), Error);
}

TEST_CASE("Soft: a model trains with its gradient before the update and its step behind, of the tasks that train") {
  using Pull = Soft<small::Trunk, Both>;
  using SoftModel = MultiTask<Input<4>, small::Kinds, Pull, optim::Sgd>;
  using SingleModel = MultiTask<Input<4>, small::Kinds, sharing::Single<small::Trunk>, optim::Sgd>;
  using Network = SoftModel::Network;
  // "kind" has no labels.
  const data::Column none{"kind", data::Targets::classes(std::vector<int>(37, data::missing_label))};
  const data::DataSet data(small::inputs(37), {none, small::flags(37, 0.3), small::place(37, 0.3)});
  const auto fitted = [&](auto model, std::size_t epochs) {
    model.fit(data, {.epochs = epochs, .batch_size = 37});
    return small::copy(model.parameters());
  };
  const auto soft = [&](Both pull, std::size_t epochs) {
    return fitted(SoftModel{{.sharing = {.pull = pull}, .optimizer = {.learning_rate = 0.25}, .seed = 3}}, epochs);
  };
  const auto single = [&](std::size_t epochs) {
    return fitted(SingleModel{{.optimizer = {.learning_rate = 0.25}, .seed = 3}}, epochs);
  };
  CHECK(small::same_bits(soft({}, 3), single(3)));

  const Both pull{.mean = 0.5, .trace = 0.75};
  const auto start = soft({}, 0), plain = soft({}, 1);
  const sharing::Attendance who(TaskSet::only(1).with(2), TaskSet::only(1).with(2));
  std::vector<float> gradient(start.size(), 0.0F), expected = plain;
  const Pull policy{.pull = pull};
  policy.regularise<Network, float>(start, who, gradient);
  for (std::size_t i = 0; i < start.size(); ++i) expected[i] -= 0.25F * gradient[i];
  policy.project<Network, float>(expected, who, 0.25);
  const auto found = soft(pull, 1);
  CHECK(small::distance(found, expected) < 1e-6);
  CHECK(small::distance(found, plain) > 0.1);
  const auto kind = [](const auto& vector) { return std::span(vector).first(Network::segments[0].size); };
  CHECK(small::same_bits(kind(found), kind(start)));
}
