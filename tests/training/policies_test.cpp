// SPDX-License-Identifier: MIT
// What the compiler says to wrong arguments is tested in tests/compile_fail.
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/sharing/single.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include "small.hpp"

using namespace mtlx;
using training::PickOr;

namespace {

using Hard = sharing::Hard<small::Trunk>;
using In = Input<4>;

template <class... Policies>
consteval bool sound() {
  return training::check_model<backend::Cpu<float>, In, small::Kinds, Policies...>();
}

}  // namespace

static_assert(std::is_same_v<PickOr<Kind::balancer, void, Hard, optim::Sgd, balancing::PcGrad>, balancing::PcGrad>);
static_assert(std::is_same_v<PickOr<Kind::optimizer, void, Hard, optim::Sgd, balancing::PcGrad>, optim::Sgd>);
static_assert(std::is_same_v<PickOr<Kind::grouping, int, Hard, optim::Sgd>, int>);
static_assert(std::is_same_v<PickOr<Kind::backend, int>, int>);

static_assert(sound<Hard>());
static_assert(sound<optim::Sgd, Hard, backend::Reference, balancing::PcGrad, grouping::Together>());
static_assert(sound<sharing::Single<small::Trunk, small::FlagsHead>>());

TEST_CASE("policies come in any order") {
  using A = MultiTask<In, small::Kinds, Hard, balancing::PcGrad, optim::Sgd, backend::Reference>;
  using B = MultiTask<In, small::Kinds, backend::Reference, optim::Sgd, Hard, balancing::PcGrad>;
  static_assert(std::is_same_v<A::Learner, B::Learner>);
  CHECK(small::same_bits(A{{.seed = 3}}.parameters(), B{{.seed = 3}}.parameters()));
}

TEST_CASE("the defaults are equal weights, Adam, all together, the CPU in float") {
  using Model = MultiTask<In, small::Kinds, Hard>;
  using Named =
      MultiTask<In, small::Kinds, Hard, balancing::EqualWeights, optim::Adam, grouping::Together, backend::Cpu<float>>;
  static_assert(std::is_same_v<Model::Learner, Named::Learner>);
  static_assert(std::is_same_v<Model::Options, Named::Options>);
  CHECK(Model{{}}.plan().size() == 1);
}
