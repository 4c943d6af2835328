// SPDX-License-Identifier: MIT
#include <mtlx/sharing/sharing.hpp>

#include "network_laws.hpp"

using namespace mtlx;
using namespace network_laws;

namespace {

struct NoNetwork {
  static constexpr auto kind = Kind::sharing;
  template <Shape, class>
  static consteval bool check() {
    return true;
  }
};
struct NoCheck {
  static constexpr auto kind = Kind::sharing;
  template <Shape, class>
  struct Network {};
};
struct Both : NoNetwork {
  template <Shape, class>
  struct Network {};
};
struct OtherKind : Both {
  static constexpr auto kind = Kind::backend;
};

using A = Outputs_<"a", 3>;

}  // namespace

static_assert(!SharingStrategy<NoNetwork>);
static_assert(!SharingStrategy<NoCheck>);
static_assert(SharingStrategy<Both>);
static_assert(!SharingStrategy<OtherKind>);

static_assert(std::is_same_v<sharing::detail::HeadLayer<A>, nn::Dense<3, nn::glorot_uniform>>);
static_assert(std::is_same_v<sharing::detail::HeadLayer<A, HeadB>, nn::Dense<3, nn::glorot_uniform>>);
static_assert(std::is_same_v<sharing::detail::HeadLayer<A, HeadB, sharing::Head<"a", nn::Dense<3>>>, nn::Dense<3>>);

TEST_CASE("tasks of a set are visited in order, each with its index as a constant") {
  const auto visited = [](TaskSet set) {
    std::string found;
    sharing::detail::for_each_task<4>(set, [&]<std::size_t t>() { found += static_cast<char>('0' + t); });
    return found;
  };
  CHECK(visited({}) == "");
  CHECK(visited(TaskSet::first(4)) == "0123");
  CHECK(visited(TaskSet::only(3).with(1)) == "13");
}
