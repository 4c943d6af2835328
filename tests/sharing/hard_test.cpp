// SPDX-License-Identifier: MIT
#include <mtlx/sharing/hard.hpp>

#include "network_laws.hpp"

using namespace mtlx;
using namespace network_laws;

namespace {

using Hard = sharing::Hard<Trunk, HeadB>;
using Net = Hard::Network<Shape{4}, Three>;
// A trunk without parameters: nothing is shared.
using Bare = sharing::Hard<nn::Tanh>::Network<Shape{4}, Three>;

}  // namespace

static_assert(SharingStrategy<Hard>);
static_assert(Hard::check<Shape{4}, Three>());
static_assert(Net::shared == 4 * 5 + 5);
static_assert(Net::parameters == 25 + (5 * 3 + 3) + (5 * 4 + 4 + 4 * 2 + 2) + (5 + 1));
static_assert(Bare::shared == 0);

TEST_CASE("Hard: one segment for all, then one for each task") {
  check_layout<Net>();
  REQUIRE(Net::segments.size() == 4);
  CHECK(Net::segments[0].owners == TaskSet::first(3));
  for (std::size_t t = 0; t < 3; ++t) CHECK(Net::segments[t + 1].owners == TaskSet::only(t));
  CHECK(layers<Net>() ==
        std::vector<std::string>{"abc:Dense", "abc:Tanh", "a:Dense", "b:Dense", "b:Tanh", "b:Dense", "c:Dense"});
  CHECK(parameters<Net>() == std::vector<std::string>{"trunk.0.weight", "trunk.0.bias", "a.weight", "a.bias",
                                                      "b.0.weight", "b.0.bias", "b.2.weight", "b.2.bias", "c.weight",
                                                      "c.bias"});
}

TEST_CASE("Hard: gradients for every set of tasks") { check_passes<Net>(); }

TEST_CASE("Hard: a trunk without parameters") { check_passes<Bare>(); }
