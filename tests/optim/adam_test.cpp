// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/optim/adam.hpp>

#include <limits>

#include "oracle.hpp"

using namespace mtlx;

static_assert(Optimizer<optim::Adam>);

namespace {
constexpr optim::Adam decay{.learning_rate = 1e-2, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6, .weight_decay = 0.1};
}  // namespace

TEST_CASE_TEMPLATE("Adam takes PyTorch's steps in double", Back, backend::Reference, backend::Cpu<double>) {
  oracle::agrees<Back>(optim::Adam{}, adam_default, 1e-12);
  oracle::agrees<Back>(decay, adam_decay, 1e-12);
}

TEST_CASE("Adam takes PyTorch's steps in float, to rounding") {
  oracle::agrees<backend::Cpu<float>>(optim::Adam{}, adam_default, 2e-6);
  oracle::agrees<backend::Cpu<float>>(decay, adam_decay, 4e-6);
}

TEST_CASE("Adam's first step has the learning rate's length, whatever the gradient's") {
  for (const double gradient : {1e-3, -2.0, 1e6}) {
    double p = 1;
    std::array<double, 2> state{};
    optim::Adam{.learning_rate = 0.25}.rule({})(p, gradient, state);
    CHECK(p == doctest::Approx(gradient > 0 ? 0.75 : 1.25).epsilon(1e-5));
  }
}

TEST_CASE("Adam leaves a parameter without gradient bit for bit") {
  for (const auto& p : oracle::run<backend::Cpu<float>>(optim::Adam{}))
    CHECK(p[3] == static_cast<float>(oracle::start(3)));
}

TEST_CASE("Adam refuses options out of range") {
  using optim::Adam;
  CHECK_NOTHROW(Adam{.beta1 = 0, .beta2 = 0, .epsilon = 0}.validate());
  CHECK_THROWS_WITH_AS((Adam{.learning_rate = -1}.validate()),
                       "mtlx: Adam: learning_rate must be a number of at least 0, and is -1", Error);
  CHECK_THROWS_WITH_AS((Adam{.beta1 = 1}.validate()), "mtlx: Adam: beta1 must be at least 0 and less than 1, and is 1",
                       Error);
  CHECK_THROWS_AS((Adam{.beta2 = -0.5}.validate()), Error);
  CHECK_THROWS_AS((Adam{.epsilon = -1}.validate()), Error);
  CHECK_THROWS_AS((Adam{.weight_decay = std::numeric_limits<double>::quiet_NaN()}.validate()), Error);
}
