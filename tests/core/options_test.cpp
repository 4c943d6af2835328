// SPDX-License-Identifier: MIT
#include <mtlx/core/options.hpp>

#include <doctest/doctest.h>

#include <limits>

using namespace mtlx;

namespace {

struct Anything {
  double rate = -1;
};
struct Positive {
  double rate = -1;
  void validate() const { check_option("Positive: rate", rate); }
};

}  // namespace

TEST_CASE("an option within its range passes, the ends included where they should be") {
  CHECK_NOTHROW(check_option("P: x", 0));
  CHECK_NOTHROW(check_option("P: x", 1e300));
  CHECK_NOTHROW(check_option("P: x", 1, {.least = 1, .most = 1}));
  CHECK_NOTHROW(check_option("P: x", 0.999, {.most = 1, .most_too = false}));
}

TEST_CASE("an option out of its range is named with its range") {
  CHECK_THROWS_WITH_AS(check_option("P: x", -0.5), "mtlx: P: x must be a number of at least 0, and is -0.5", Error);
  CHECK_THROWS_WITH_AS(check_option("P: x", 2, {.most = 1}), "mtlx: P: x must be at least 0 and at most 1, and is 2",
                       Error);
  CHECK_THROWS_WITH_AS(check_option("P: x", 1, {.least = 0.5, .most = 1, .most_too = false}),
                       "mtlx: P: x must be at least 0.5 and less than 1, and is 1", Error);
  CHECK_THROWS_AS(check_option("P: x", std::numeric_limits<double>::infinity()), Error);
  CHECK_THROWS_AS(check_option("P: x", std::numeric_limits<double>::quiet_NaN()), Error);
}

TEST_CASE("only a policy that can say so has its options checked") {
  CHECK_NOTHROW(validate(Anything{}));
  CHECK_NOTHROW(validate(Positive{1}));
  CHECK_THROWS_AS(validate(Positive{}), Error);
}
