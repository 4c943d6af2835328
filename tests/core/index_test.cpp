// SPDX-License-Identifier: MIT
#include <mtlx/core/index.hpp>

#include <doctest/doctest.h>

#include <limits>

using mtlx::index_of;

TEST_CASE_TEMPLATE("an index is a whole number below the count", T, float, double) {
  CHECK(index_of(T(0), 3) == 0);
  CHECK(index_of(T(2), 3) == 2);
  CHECK(index_of(-T(0), 3) == 0);
  CHECK(index_of(T((1 << 24) - 1), 1 << 24) == (1 << 24) - 1);
  CHECK(index_of(T(1 << 24), 1 << 24) == -1);
  using Limits = std::numeric_limits<T>;
  for (const T number : {T(-1), T(3), T(4), T(0.5), T(2.75), T(-0.5), Limits::denorm_min(), -Limits::denorm_min(),
                         T(2147483648.0), T(-2147483648.0), T(4294967297.0), Limits::max(), Limits::lowest(),
                         Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()}) {
    CAPTURE(number);
    CHECK(index_of(number, 3) == -1);
  }
  CHECK(index_of(T(0), 0) == -1);
}
