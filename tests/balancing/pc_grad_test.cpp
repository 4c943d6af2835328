// SPDX-License-Identifier: MIT
#include <mtlx/balancing/pc_grad.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace mtlx;

static_assert(Balancer<balancing::PcGrad>);
static_assert(balancing::PcGrad::needs == balancing::Needs::gradients);

namespace {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;  // (tasks, parameters)

double inner(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Vector weights(const Matrix& j, std::uint64_t seed = 0) {
  Vector gram, w(j.size(), -7);
  for (const Vector& a : j)
    for (const Vector& b : j) gram.push_back(inner(a, b));
  NoState state;
  balancing::PcGrad{}.weights(
      {.tasks = TaskSet::first(j.size()), .losses = {}, .gram = gram, .random = Random(seed, Purpose::balance)}, state,
      w);
  return w;
}

Vector direction(const Matrix& j, std::uint64_t seed = 0) {
  const Vector w = weights(j, seed);
  Vector sum(j[0].size());
  for (std::size_t t = 0; t < j.size(); ++t)
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += w[t] * j[t][i];
  return sum;
}

// Algorithm 1 of the paper on the gradients themselves, tasks in the order that the seed gives.
Vector projected(const Matrix& j, std::uint64_t seed) {
  Random random(seed, Purpose::balance);
  Vector sum(j[0].size());
  for (std::size_t i = 0; i < j.size(); ++i) {
    std::vector<std::size_t> order;
    for (std::size_t k = 0; k < j.size(); ++k)
      if (k != i) order.push_back(k);
    random.shuffle(std::span(order));
    Vector v = j[i];
    for (const std::size_t k : order) {
      const double conflict = inner(v, j[k]);
      if (conflict >= 0 || inner(j[k], j[k]) == 0) continue;
      for (std::size_t p = 0; p < v.size(); ++p) v[p] -= conflict / inner(j[k], j[k]) * j[k][p];
    }
    for (std::size_t p = 0; p < v.size(); ++p) sum[p] += v[p];
  }
  return sum;
}

void check_near(const Vector& found, const Vector& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(found[i] - expected[i]) <= tolerance);
  }
}

Matrix random_matrix(std::size_t tasks, std::size_t parameters, std::uint64_t seed) {
  Random random(seed, Purpose::user);
  Matrix j(tasks, Vector(parameters));
  for (Vector& row : j)
    for (double& number : row) number = random.normal();
  return j;
}

}  // namespace

TEST_CASE("TorchJD's published values and those of an exact solver") {
  // TorchJD tests/unit/aggregation/test_values.py; more digits from an independent recomputation.
  const Matrix torchjd{{-4, 1, 1}, {6, 1, 1}};
  check_near(direction(torchjd), {0.5848, 3.8012, 3.8012}, 1e-4);
  check_near(weights(torchjd), {2.22222222222, 1.57894736842}, 1e-11);
  check_near(direction(torchjd), {0.584795321637, 3.80116959064, 3.80116959064}, 1e-11);
  check_near(direction({{-1, 1}, {2, 4}}), {1, 5}, 0);
  check_near(weights({{1, 2}, {-2, -4}}), {3, 1.5}, 1e-12);
  check_near(direction({{1, 2}, {-2, -4}}), {0, 0}, 1e-12);
  check_near(direction({{1, 2, 3}, {1, 2, 3}}), {2, 4, 6}, 0);
}

TEST_CASE("without a conflict the direction is the sum, in any order") {
  const Matrix j{{1, 2, 3}, {2, 1, 0.5}, {0.5, 1, 1}};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CHECK(weights(j, seed) == Vector{1, 1, 1});
    CHECK(direction(j, seed) == Vector{3.5, 4, 4.5});
  }
}

TEST_CASE("one task keeps its gradient, and no task is no trouble") {
  CHECK(weights({{-3, 4}}) == Vector{1});
  NoState state;
  balancing::PcGrad{}.weights({.tasks = {}, .losses = {}, .gram = {}}, state, {});
}

TEST_CASE("the Gram matrix gives what projecting the gradients themselves gives") {
  bool order_matters = false;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Matrix j = random_matrix(2 + seed % 5, 7, seed);
    CAPTURE(seed);
    check_near(direction(j, seed), projected(j, seed), 1e-11);
    order_matters = order_matters || weights(j, seed) != weights(j, seed + 100);
  }
  CHECK(order_matters);
  CHECK(weights(random_matrix(64, 80, 1), 1) == weights(random_matrix(64, 80, 1), 1));
}

TEST_CASE("two tasks: order and exchange don't matter") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Matrix j = random_matrix(2, 5, seed);
    const Vector w = weights(j, seed);
    CHECK(weights(j, seed + 1) == w);
    CHECK(weights({j[1], j[0]}, seed) == Vector{w[1], w[0]});
    const Vector d = direction(j, seed);
    // Neither task's loss grows, to first order.
    CHECK(inner(d, j[0]) >= -1e-12);
    CHECK(inner(d, j[1]) >= -1e-12);
  }
}

TEST_CASE("a zero gradient changes nothing and is not divided by") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Vector w = weights({{-4, 1, 1}, {0, 0, 0}, {6, 1, 1}}, seed);
    check_near({w[0], w[2]}, {2.22222222222, 1.57894736842}, 1e-11);
    CHECK(w[1] == 1);
  }
  CHECK(weights({{0, 0}, {0, 0}}) == Vector{1, 1});
  // Its square is 0, its inner products are not.
  CHECK(weights({{1e-200, 0}, {-1, 0}}) == Vector{1, 1});
}

TEST_CASE("scales from tiny to huge: weights stay finite and follow the scale") {
  const Matrix j = random_matrix(3, 6, 5);
  for (const double scale : {1e-150, 1e-30, 1e30, 1e150}) {
    Matrix scaled = j;
    for (Vector& row : scaled)
      for (double& number : row) number *= scale;
    check_near(weights(scaled, 3), weights(j, 3), 1e-9);
  }
  // Two tasks that conflict, of very different length: w is exact however far apart they are.
  const Vector w = weights({{1e-60, 0}, {-1e60, 1e60}});
  CHECK(w[0] == doctest::Approx(1 + 1e120).epsilon(1e-12));
  CHECK(w[1] == doctest::Approx(1));
}
