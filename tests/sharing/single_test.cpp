// SPDX-License-Identifier: MIT
#include <mtlx/sharing/single.hpp>

#include "network_laws.hpp"

using namespace mtlx;
using namespace network_laws;

namespace {

using Single = sharing::Single<Trunk, HeadB>;
using Net = Single::Network<Shape{4}, Three>;

}  // namespace

static_assert(SharingStrategy<Single>);
static_assert(Single::check<Shape{4}, Three>());
static_assert(Net::shared == 0);
static_assert(Net::parameters == 3 * 25 + (5 * 3 + 3) + (5 * 4 + 4 + 4 * 2 + 2) + (5 + 1));

TEST_CASE("Single: a segment for each task, nothing shared") {
  check_layout<Net>();
  REQUIRE(Net::segments.size() == 3);
  for (std::size_t t = 0; t < 3; ++t) CHECK(Net::segments[t].owners == TaskSet::only(t));
  CHECK(layers<Net>() == std::vector<std::string>{"a:Dense", "a:Tanh", "a:Dense", "b:Dense", "b:Tanh", "b:Dense",
                                                  "b:Tanh", "b:Dense", "c:Dense", "c:Tanh", "c:Dense"});
  CHECK(parameters<Net>() == std::vector<std::string>{"a.0.0.weight", "a.0.0.bias", "a.1.weight", "a.1.bias",
                                                      "b.0.0.weight", "b.0.0.bias", "b.1.0.weight", "b.1.0.bias",
                                                      "b.1.2.weight", "b.1.2.bias", "c.0.0.weight", "c.0.0.bias",
                                                      "c.1.weight", "c.1.bias"});
}

TEST_CASE("Single: gradients for every set of tasks") { check_passes<Net>(); }
