// SPDX-License-Identifier: MIT
// Rows that are very short, very long, zero or not finite; others are tests/backend/cpu_test.cpp's.
#include <mtlx/backend/cpu.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace mtlx;

TEST_CASE_TEMPLATE("no square under- or overflows before it must", T, float, double) {
  const bool single = sizeof(T) == 4;
  // Scales of the rows; the last is of zeros.
  const std::vector<double> scales = single ? std::vector<double>{1, 1e-12, 1e-19, 1e-30, 1e14, 1e25, 3, 0}
                                            : std::vector<double>{1, 1e-12, 1e-140, 1e-150, 1e14, 1e145, 3, 0};
  for (const std::size_t size : {1UL, 33UL, 1000UL}) {
    CAPTURE(size);
    std::vector<std::vector<T>> rows;
    std::vector<const T*> from;
    for (std::size_t i = 0; i < scales.size(); ++i) {
      rows.emplace_back();
      for (std::size_t c = 0; c < size; ++c)
        rows[i].push_back(static_cast<T>(scales[i] * std::sin(1.0 + static_cast<double>(7 * i + c * (i + 1)))));
    }
    for (const auto& row : rows) from.push_back(row.data());
    const std::size_t n = rows.size();
    std::vector<double> g(n * n, -1);
    backend::Cpu<T>::gram(from, size, g.data());
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        CAPTURE(i);
        CAPTURE(j);
        long double exact = 0, sum = 0;
        for (std::size_t c = 0; c < size; ++c) {
          const long double product = static_cast<long double>(rows[i][c]) * static_cast<long double>(rows[j][c]);
          exact += product;
          sum += std::abs(product);
        }
        const double bound = 64 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(sum);
        CHECK(std::abs(static_cast<double>(exact) - g[i * n + j]) <= bound + 1e-307);
        CHECK(g[i * n + j] == g[j * n + i]);
      }
    CHECK(g[3 * n + 3] > 0);
  }
  // What is not finite stays so, and by itself.
  std::vector<T> one(40, T(1e-15)), other(40, T(2));
  other[17] = std::numeric_limits<T>::quiet_NaN();
  const T* const both[] = {one.data(), other.data()};
  double g[4];
  backend::Cpu<T>::gram(both, 40, g);
  CHECK(is_nan(g[3]));
  CHECK(is_nan(g[1]));
  CHECK(g[0] == doctest::Approx(40e-30).epsilon(1e-5));
}
