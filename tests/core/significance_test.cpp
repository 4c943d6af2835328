// SPDX-License-Identifier: MIT
// Against R: scripts/oracle/statistics.R.
#include <mtlx/core/significance.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <study/statistics_oracle.inc>
#include <vector>

using namespace mtlx;

namespace {

// The largest relative deviation of f(row) from a row's last column.
template <std::size_t Rows, std::size_t Columns, class F>
double deviation(const double (&table)[Rows][Columns], F&& f) {
  double largest = 0;
  for (const auto& row : table) {
    const double expected = row[Columns - 1];
    largest = std::max(largest, std::abs(f(row) - expected) / std::max(std::abs(expected), 1e-300));
  }
  return largest;
}

std::size_t whole(double number) { return static_cast<std::size_t>(number); }

}  // namespace

TEST_CASE("tails and critical values are R's") {
  CHECK(deviation(t_tails, [](const double* r) { return t_upper_tail(r[0], r[1]); }) < 1e-12);
  CHECK(deviation(f_tails, [](const double* r) { return f_upper_tail(r[0], r[1], r[2]); }) < 1e-12);
  CHECK(deviation(chi_squared_tails, [](const double* r) { return chi_squared_upper_tail(r[0], whole(r[1])); }) <
        1e-12);
  CHECK(deviation(normal_tails, [](const double* r) { return normal_upper_tail(r[0]); }) < 1e-13);
  CHECK(deviation(normal_quantiles, [](const double* r) { return normal_critical(r[0]); }) < 1e-12);
  for (const auto& [tail, degrees, t] : t_quantiles)
    CHECK(std::abs(t_critical(tail, degrees) - t) <= 1e-11 * std::max(1.0, std::abs(t)));
  CHECK(deviation(range_tails, [](const double* r) { return range_upper_tail(r[0], whole(r[1])); }) < 1e-12);
  // R sums this one to 1e-12, absolutely.
  for (const auto& [t, degrees, shift, tail] : noncentral_t_tails)
    CHECK(std::abs(noncentral_t_upper_tail(t, degrees, shift) - tail) < 1e-11);
}

TEST_CASE("distributions agree with each other, and far out") {
  for (const double t : {0.1, 1.0, 3.0, 30.0}) {
    CHECK(t_upper_tail(t, 7) == doctest::Approx(f_upper_tail(t * t, 1, 7) / 2).epsilon(1e-13));
    CHECK(t_upper_tail(t, 7) == doctest::Approx(noncentral_t_upper_tail(t, 7, 0)).epsilon(1e-10));
    CHECK(t_upper_tail(-t, 7) == doctest::Approx(1 - t_upper_tail(t, 7)).epsilon(1e-14));
    // The range of two is the size of a difference, which has variance 2.
    CHECK(range_upper_tail(t, 2) == doctest::Approx(2 * normal_upper_tail(t / std::sqrt(2.0))).epsilon(1e-12));
  }
  CHECK(t_upper_tail(1e200, 2) >= 0);
  CHECK(t_upper_tail(1e200, 2) < 1e-200);
  CHECK(t_upper_tail(2, 1e7) == doctest::Approx(normal_upper_tail(2)).epsilon(1e-6));
  CHECK(f_upper_tail(0, 2, 3) == 1);
  CHECK(chi_squared_upper_tail(0, 3) == 1);
  CHECK(range_upper_tail(0, 3) == 1);
  // Demsar 2006, table 5(a), at 5 %: critical values over sqrt 2, some rounded down.
  const double table[] = {1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164};
  for (std::size_t k = 2; k <= 10; ++k) CHECK(std::abs(range_critical(0.05, k) / std::sqrt(2.0) - table[k - 2]) < 1e-3);
  CHECK_THROWS_WITH_AS(t_critical(0, 3), "mtlx: t_critical: a tail must lie between 0 and 1, and is 0", Error);
  CHECK_THROWS_AS(normal_critical(1), Error);
  CHECK_THROWS_AS(range_critical(std::nan(""), 3), Error);
}

TEST_CASE("Holm's and Benjamini-Hochberg's adjusted p-values are R's") {
  const auto adjusted = holm(many_p), expected = benjamini_hochberg(many_p);
  REQUIRE(adjusted.size() == std::size(many_p));
  for (std::size_t i = 0; i < adjusted.size(); ++i) {
    CHECK(adjusted[i] == doctest::Approx(holm_p[i]).epsilon(1e-14));
    CHECK(expected[i] == doctest::Approx(bh_p[i]).epsilon(1e-14));
  }
  CHECK(holm(std::vector<double>{}).empty());
  CHECK(benjamini_hochberg(std::vector<double>{0.5}) == std::vector<double>{0.5});
  CHECK_THROWS_WITH_AS(holm(std::vector<double>{0.5, 1.5}), "mtlx: holm: p-value 1 must be from 0 to 1, and is 1.5",
                       Error);
  CHECK_THROWS_AS(benjamini_hochberg(std::vector<double>{std::nan("")}), Error);
}
