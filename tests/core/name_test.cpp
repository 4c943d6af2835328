// SPDX-License-Identifier: MIT
#include <mtlx/core/name.hpp>

#include <doctest/doctest.h>

#include <type_traits>

using namespace mtlx;

namespace {

template <Name N>
struct Named {
  static constexpr auto name = N;
};

static_assert(std::is_same_v<Named<"left">, Named<"left">>);
static_assert(!std::is_same_v<Named<"left">, Named<"right">>);
static_assert(!std::is_same_v<Named<"lef">, Named<"left">>);

}  // namespace

TEST_CASE("a name is its characters") {
  CHECK(Named<"left">::name.view() == "left");
  CHECK(Named<"">::name.view().empty());
  CHECK(Named<"größe">::name.view() == "größe");
}
