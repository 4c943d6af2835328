// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/optim/adagrad.hpp>

#include "oracle.hpp"

using namespace mtlx;
using optim::Adagrad;

static_assert(Optimizer<Adagrad>);

namespace {
constexpr Adagrad decay{
    .learning_rate = 0.1, .learning_rate_decay = 0.05, .weight_decay = 0.1, .initial_accumulator = 0.5};
}  // namespace

TEST_CASE_TEMPLATE("Adagrad takes PyTorch's steps in double", Back, backend::Reference, backend::Cpu<double>) {
  oracle::agrees<Back>(Adagrad{}, adagrad_default, 1e-12);
  oracle::agrees<Back>(decay, adagrad_decay, 1e-12);
}

TEST_CASE("Adagrad takes PyTorch's steps in float, to rounding") {
  oracle::agrees<backend::Cpu<float>>(Adagrad{}, adagrad_default, 2e-6);
  oracle::agrees<backend::Cpu<float>>(decay, adagrad_decay, 2e-6);
}

TEST_CASE("Adagrad refuses options out of range") {
  CHECK_THROWS_WITH_AS((Adagrad{.initial_accumulator = -1}.validate()),
                       "mtlx: Adagrad: initial_accumulator must be a number of at least 0, and is -1", Error);
  CHECK_THROWS_AS((Adagrad{.learning_rate_decay = -1}.validate()), Error);
}
