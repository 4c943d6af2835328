// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/optim/sgd.hpp>

#include <limits>
#include <string>

#include "oracle.hpp"

using namespace mtlx;

static_assert(Optimizer<optim::Sgd>);

namespace {
constexpr optim::Sgd dampening{.learning_rate = 0.05, .momentum = 0.8, .dampening = 0.25, .weight_decay = 0.1};
constexpr optim::Sgd nesterov{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true};
}  // namespace

TEST_CASE_TEMPLATE("Sgd takes PyTorch's steps in double", Back, backend::Reference, backend::Cpu<double>) {
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.1}, sgd_plain, 1e-13);
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.05, .momentum = 0.9}, sgd_momentum, 1e-13);
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.05, .momentum = 0.8, .weight_decay = 0.1}, sgd_decay, 1e-13);
  oracle::agrees<Back>(dampening, sgd_dampening, 1e-13);
  oracle::agrees<Back>(nesterov, sgd_nesterov, 1e-13);
}

TEST_CASE("Sgd takes PyTorch's steps in float, to rounding") {
  using Back = backend::Cpu<float>;
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.1}, sgd_plain, 2e-6);
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.05, .momentum = 0.9}, sgd_momentum, 2e-6);
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.05, .momentum = 0.8, .weight_decay = 0.1}, sgd_decay, 2e-6);
  oracle::agrees<Back>(dampening, sgd_dampening, 2e-6);
  oracle::agrees<Back>(nesterov, sgd_nesterov, 2e-6);
}

TEST_CASE("plain Sgd leaves a parameter without gradient bit for bit") {
  for (const auto& p : oracle::run<backend::Cpu<float>>(optim::Sgd{.learning_rate = 0.1, .momentum = 0.9}))
    CHECK(p[3] == static_cast<float>(oracle::start(3)));
}

TEST_CASE("dampening is nothing without momentum, as in PyTorch") {
  using Back = backend::Cpu<double>;
  CHECK(oracle::run<Back>(optim::Sgd{.learning_rate = 0.1, .dampening = 0.5}) ==
        oracle::run<Back>(optim::Sgd{.learning_rate = 0.1}));
}

TEST_CASE("Sgd refuses options out of range") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  using optim::Sgd;
  CHECK_NOTHROW(Sgd{.learning_rate = 0, .momentum = 1.5}.validate());
  CHECK_THROWS_WITH_AS((Sgd{.learning_rate = -0.1}.validate()),
                       "mtlx: Sgd: learning_rate must be a number of at least 0, and is -0.1", Error);
  CHECK_THROWS_WITH_AS((Sgd{.learning_rate = nan}.validate()),
                       "mtlx: Sgd: learning_rate must be a number of at least 0, and is nan", Error);
  CHECK_THROWS_AS((Sgd{.learning_rate = infinity}.validate()), Error);
  CHECK_THROWS_AS((Sgd{.momentum = -1}.validate()), Error);
  CHECK_THROWS_AS((Sgd{.weight_decay = -1}.validate()), Error);
  CHECK_THROWS_WITH_AS((Sgd{.dampening = 1.5}.validate()),
                       "mtlx: Sgd: dampening must be at least 0 and at most 1, and is 1.5", Error);
  const char* const sentence = "mtlx: Sgd: nesterov needs a momentum and no dampening; the momentum is ";
  CHECK_THROWS_WITH_AS((Sgd{.nesterov = true}.validate()), (sentence + std::string("0, the dampening 0")).c_str(),
                       Error);
  CHECK_THROWS_WITH_AS((Sgd{.momentum = 0.9, .dampening = 0.5, .nesterov = true}.validate()),
                       (sentence + std::string("0.9, the dampening 0.5")).c_str(), Error);
}
