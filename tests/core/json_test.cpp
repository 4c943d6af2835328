// SPDX-License-Identifier: MIT
#include <mtlx/core/json.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using mtlx::json_number;
using mtlx::json_text;

TEST_CASE("texts become JSON strings") {
  CHECK(json_text("") == "\"\"");
  CHECK(json_text("left") == "\"left\"");
  CHECK(json_text("say \"no\" \\ yes") == R"("say \"no\" \\ yes")");
  CHECK(json_text(std::string_view("\n\t\0\x1f", 4)) == R"("\u000a\u0009\u0000\u001f")");
  CHECK(json_text("gr\xC3\xBC\xC3\x9F"
                  "e \x7F") ==
        "\"gr\xC3\xBC\xC3\x9F"
        "e \x7F\"");
}

TEST_CASE("numbers become JSON, null where JSON has none") {
  CHECK(json_number(0) == "0");
  CHECK(json_number(-1.5) == "-1.5");
  CHECK(json_number(1.0 / 3) == "0.333333333");
  CHECK(json_number(1e300) == "1e+300");
  CHECK(json_number(std::numeric_limits<double>::infinity()) == "null");
  CHECK(json_number(-std::numeric_limits<double>::infinity()) == "null");
  CHECK(json_number(std::numeric_limits<double>::quiet_NaN()) == "null");
}
