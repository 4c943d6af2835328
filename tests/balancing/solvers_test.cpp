// SPDX-License-Identifier: MIT
// Each solver is held to the conditions of its optimum, on matrices of every rank, with rows of like and of very unlike
// length, and to values by hand.
#include <mtlx/balancing/solvers.hpp>
#include <mtlx/core/random.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace mtlx;
using namespace mtlx::balancing;

namespace {

using Vector = std::vector<double>;

double inner(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

struct Case {
  std::size_t tasks, parameters;
  Vector rows;  // (tasks, parameters)
  Vector gram;
  Vector norms;

  std::span<const double> row(std::size_t i) const { return {rows.data() + i * parameters, parameters}; }
  void find_gram() {
    gram.clear();
    norms.clear();
    for (std::size_t i = 0; i < tasks; ++i) {
      for (std::size_t j = 0; j < tasks; ++j) gram.push_back(inner(row(i), row(j)));
      norms.push_back(std::sqrt(gram[i * tasks + i]));
    }
  }
  // sum_j |w_j| |g_j|: what an inner product with the direction can be known against.
  double size(std::span<const double> w) const {
    double sum = 0;
    for (std::size_t i = 0; i < tasks; ++i) sum += std::abs(w[i]) * norms[i];
    return sum;
  }
  Vector direction(std::span<const double> w) const {
    Vector d(parameters);
    for (std::size_t i = 0; i < tasks; ++i)
      for (std::size_t p = 0; p < parameters; ++p) d[p] += w[i] * row(i)[p];
    return d;
  }
};

// The n-th of many: 1 to 16 tasks (64 now and then), rank 1 to full, copies and opposites among the rows, lengths equal to
// 1e6 apart, the whole 1e-12 to 1e12 long.
Case make(std::uint64_t n) {
  Random random(n, Purpose::user);
  Case made;
  made.tasks = n % 97 == 96 ? 64 : 1 + random.below(16);
  const std::size_t rank = 1 + random.below(static_cast<std::uint32_t>(made.tasks));
  made.parameters = rank + random.below(5);
  Vector basis(rank * made.parameters);
  for (double& number : basis) number = random.normal();
  made.rows.resize(made.tasks * made.parameters);
  const double spread = n % 3 == 0 ? 0 : n % 3 == 1 ? 2 : 6;
  const double whole = std::pow(10.0, 24 * random.uniform() - 12);
  const double common = n % 5 == 0 ? 1 : 0;  // all in one half space
  for (std::size_t i = 0; i < made.tasks; ++i) {
    const double length = whole * std::pow(10.0, spread * (random.uniform() - 0.5));
    double* row = made.rows.data() + i * made.parameters;
    const std::uint32_t alike = random.below(10);
    const std::size_t other = i > 0 ? random.below(static_cast<std::uint32_t>(i)) : 0;
    for (std::size_t k = 0; k < rank; ++k) {
      const double share = random.normal() + common * (k == 0 ? 3 : 0);
      for (std::size_t p = 0; p < made.parameters; ++p) row[p] += length * share * basis[k * made.parameters + p];
    }
    if (i > 0 && alike < 2)
      for (std::size_t p = 0; p < made.parameters; ++p)
        row[p] = (alike == 0 ? 1.0 : -0.5) * made.rows[other * made.parameters + p];
  }
  made.find_gram();
  return made;
}

constexpr std::uint64_t cases = 1500;

}  // namespace

TEST_CASE("rows are brought to like length by powers of two, and nothing is rounded") {
  const Vector gram{1e-300, 3e-151, 0, 3e-151, 7, 0, 0, 0, 0};
  const Equilibrated rows(gram, 3);
  CHECK(rows.zero(2));
  CHECK(rows(2, 2) == 0);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(rows(i, i) >= 0.5);
    CHECK(rows(i, i) < 2);
    for (std::size_t j = 0; j < 2; ++j) CHECK(rows(i, j) * rows.length(i) * rows.length(j) == gram[i * 3 + j]);
  }
  CHECK(rows.length(1) == 2);
}

TEST_CASE("least norm on the simplex: conditions of the optimum") {
  for (std::uint64_t n = 0; n < cases; ++n) {
    CAPTURE(n);
    const Case problem = make(n);
    Vector w(problem.tasks, -7);
    const double squared = least_norm_on_simplex(Equilibrated(problem.gram, problem.tasks), w);
    double sum = 0;
    for (const double weight : w) {
      CHECK(weight >= 0);
      sum += weight;
    }
    CHECK(std::abs(sum - 1) < 1e-12);
    const Vector d = problem.direction(w);
    const double length = inner(d, d), size = problem.size(w);
    for (std::size_t i = 0; i < problem.tasks; ++i) {
      const double rest = inner(problem.row(i), d) - length;
      CHECK(rest >= -1e-12 * problem.norms[i] * size);
      if (w[i] > 0) CHECK(rest <= 1e-10 * problem.norms[i] * size);
    }
    CHECK(squared >= 0);
    const double shortest = *std::min_element(problem.norms.begin(), problem.norms.end());
    CHECK(squared <= (4 * length + 1e-13 * size * size) / shortest / shortest);
  }
  Vector w(3);
  CHECK(least_norm_on_simplex(Equilibrated(Vector{0, 0, 0, 0, 14, 1, 0, 1, 2}, 3), w) == 0);
  CHECK(w == Vector{1, 0, 0});
}

TEST_CASE("least norm above a start: the projection on the dual cone") {
  for (std::uint64_t n = 0; n < cases; ++n) {
    CAPTURE(n);
    const Case problem = make(n);
    const Equilibrated rows(problem.gram, problem.tasks);
    Random random(n, Purpose::sample);
    for (int kind = 0; kind < 2; ++kind) {
      Vector start(problem.tasks), w(problem.tasks, -7);
      for (double& number : start) number = kind == 0 ? 1 : 0;
      if (kind == 1) start[random.below(static_cast<std::uint32_t>(problem.tasks))] = 1;
      least_norm_above(rows, start, w);
      const Vector d = problem.direction(w);
      const double size = problem.size(w);
      for (std::size_t i = 0; i < problem.tasks; ++i) {
        CHECK(w[i] >= start[i]);
        const double product = inner(problem.row(i), d);
        CHECK(product >= -1e-12 * problem.norms[i] * size);
        if (w[i] > start[i]) CHECK(product <= 1e-11 * problem.norms[i] * size);
      }
    }
  }
}

TEST_CASE("the spectrum: vectors at right angles, G put together again, values of their own accuracy") {
  for (std::uint64_t n = 0; n < cases; ++n) {
    CAPTURE(n);
    const Case problem = make(n);
    const std::size_t tasks = problem.tasks;
    const Spectrum spectrum(problem.gram, tasks);
    REQUIRE(spectrum.rank() >= 1);
    REQUIRE(spectrum.rank() <= std::min(tasks, problem.parameters));
    for (std::size_t k = 0; k < spectrum.rank(); ++k)
      for (std::size_t l = 0; l <= k; ++l)
        CHECK(std::abs(inner(spectrum.vector(k), spectrum.vector(l)) - (k == l ? 1 : 0)) < 1e-13);
    for (std::size_t i = 0; i < tasks; ++i)
      for (std::size_t j = 0; j < tasks; ++j) {
        double sum = 0;
        for (std::size_t k = 0; k < spectrum.rank(); ++k)
          sum += spectrum.value(k) * spectrum.vector(k)[i] * spectrum.vector(k)[j];
        CHECK(std::abs(sum - problem.gram[i * tasks + j]) <= 4e-12 * problem.norms[i] * problem.norms[j]);
      }
  }
  // Rows 1e8 and 1e16 times as long as the last: the eigenvalues are Cholesky's pivots, to 1e-16 of them.
  const double far = 1e-8;
  const Vector graded{1,
                      0.5 * far,
                      0.25 * far * far,
                      0.5 * far,
                      far * far,
                      0.5 * far * far * far,
                      0.25 * far * far,
                      0.5 * far * far * far,
                      far * far * far * far};
  const Spectrum spectrum(graded, 3);
  REQUIRE(spectrum.rank() == 3);
  CHECK(spectrum.value(0) == doctest::Approx(1.0).epsilon(1e-14));
  CHECK(spectrum.value(1) == doctest::Approx(0.75e-16).epsilon(1e-12));
  CHECK(spectrum.value(2) == doctest::Approx(0.75e-32).epsilon(1e-12));
}

TEST_CASE("fair weights: the equation holds, or it has no solution") {
  std::size_t solved = 0, unsolved = 0;
  for (std::uint64_t n = 0; n < cases; ++n) {
    CAPTURE(n);
    const Case problem = make(n);
    Vector w(problem.tasks), simplex(problem.tasks), unit = problem.gram, q(problem.tasks);
    Random random(n, Purpose::sample);
    for (double& number : q) number = n % 2 == 0 ? 1 : 0.1 + 9 * random.uniform();
    const double alpha = std::array{1.0, 2.0, 0.5, 5.0, 0.1, 10.0}[n % 6];
    CAPTURE(alpha);
    for (std::size_t i = 0; i < problem.tasks; ++i)
      for (std::size_t j = 0; j < problem.tasks; ++j)
        unit[i * problem.tasks + j] /= problem.norms[i] * problem.norms[j];
    const double squared = least_norm_on_simplex(Equilibrated(unit, problem.tasks), simplex);
    if (!fair_weights(problem.gram, q, alpha, w)) {
      ++unsolved;
      CHECK(w == Vector(problem.tasks));
      CHECK(squared < 1e-12);
      continue;
    }
    ++solved;
    CHECK(squared > 1e-14);
    const Vector d = problem.direction(w);
    for (std::size_t i = 0; i < problem.tasks; ++i) {
      REQUIRE(w[i] > 0);
      const double target = q[i] * std::pow(w[i], -1 / alpha);
      CHECK(std::abs(inner(problem.row(i), d) - target) <= 1e-10 * target + 1e-12 * problem.norms[i] * problem.size(w));
    }
  }
  CHECK(solved > cases / 4);
  CHECK(unsolved > cases / 10);
}

TEST_CASE("projection on the simplex: TorchJD's values, and by hand") {
  Vector w(3);
  project_on_simplex(Vector{0.5, 0.1, 0.1}, w);
  CHECK(w[0] == doctest::Approx(0.6));
  CHECK(w[1] == doctest::Approx(0.2));
  CHECK(w[2] == doctest::Approx(0.2));
  project_on_simplex(Vector{1, 0, -0.5}, w);
  CHECK(w == Vector{1, 0, 0});
  project_on_simplex(Vector{7, 7, 7}, w);
  CHECK(w[1] == doctest::Approx(1.0 / 3));
}

TEST_CASE("a matrix of NaN comes to an end") {
  const Vector gram(16, std::numeric_limits<double>::quiet_NaN());
  Vector w(4);
  const Equilibrated rows(gram, 4);
  least_norm_on_simplex(rows, w);
  least_norm_above(rows, Vector(4, 1), w);
  CHECK(Spectrum(gram, 4).rank() <= 4);
  fair_weights(gram, Vector(4, 1), 1, w);
  CHECK(w.size() == 4);
}
