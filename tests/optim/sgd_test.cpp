// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/optim/sgd.hpp>

#include "oracle.hpp"

using namespace mtlx;

static_assert(Optimizer<optim::Sgd>);

TEST_CASE_TEMPLATE("Sgd takes PyTorch's steps in double", Back, backend::Reference, backend::Cpu<double>) {
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.1}, sgd_plain, 1e-13);
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.05, .momentum = 0.9}, sgd_momentum, 1e-13);
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.05, .momentum = 0.8, .weight_decay = 0.1}, sgd_decay, 1e-13);
}

TEST_CASE("Sgd takes PyTorch's steps in float, to rounding") {
  using Back = backend::Cpu<float>;
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.1}, sgd_plain, 2e-6);
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.05, .momentum = 0.9}, sgd_momentum, 2e-6);
  oracle::agrees<Back>(optim::Sgd{.learning_rate = 0.05, .momentum = 0.8, .weight_decay = 0.1}, sgd_decay, 2e-6);
}

TEST_CASE("plain Sgd leaves a parameter without gradient bit for bit") {
  for (const auto& p : oracle::run<backend::Cpu<float>>(optim::Sgd{.learning_rate = 0.1, .momentum = 0.9}))
    CHECK(p[3] == static_cast<float>(oracle::start(3)));
}
