// SPDX-License-Identifier: MIT
#include <mtlx/core/error.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

TEST_CASE("an error is its parts in one sentence") {
  const std::string file = "a.npy";
  CHECK_THROWS_WITH_AS(fail("row ", 7, " of ", file, " has ", std::size_t{12}, " numbers, not ", -3, "."),
                       "mtlx: row 7 of a.npy has 12 numbers, not -3.", Error);
  CHECK_THROWS_AS(fail("x"), std::runtime_error);
}

TEST_CASE("a number in an error can be told from others") {
  const auto text = [](auto number) -> std::string {
    try {
      fail("", number);
    } catch (const Error& error) {
      return error.what();
    }
  };
  CHECK(text(0.5).find("0.5") != std::string::npos);
  CHECK(text(1.0F).find('1') != std::string::npos);
  CHECK(text(18446744073709551615ULL) == "mtlx: 18446744073709551615");
}
