// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/optim/adam_w.hpp>

#include "oracle.hpp"

using namespace mtlx;

static_assert(Optimizer<optim::AdamW>);

namespace {
constexpr optim::AdamW decay{.learning_rate = 1e-2, .beta1 = 0.8, .beta2 = 0.99, .weight_decay = 0.1};
}  // namespace

TEST_CASE_TEMPLATE("AdamW takes PyTorch's steps in double", Back, backend::Reference, backend::Cpu<double>) {
  oracle::agrees<Back>(optim::AdamW{}, adam_w_default, 1e-12);
  oracle::agrees<Back>(decay, adam_w_decay, 1e-12);
}

TEST_CASE("AdamW takes PyTorch's steps in float, to rounding") {
  oracle::agrees<backend::Cpu<float>>(optim::AdamW{}, adam_w_default, 2e-6);
  oracle::agrees<backend::Cpu<float>>(decay, adam_w_decay, 4e-6);
}

TEST_CASE("AdamW without decay is Adam, bit for bit") {
  using Back = backend::Cpu<float>;
  CHECK(oracle::run<Back>(optim::AdamW{.weight_decay = 0}) == oracle::run<Back>(optim::Adam{}));
}

TEST_CASE("AdamW refuses options out of range") {
  CHECK_THROWS_WITH_AS((optim::AdamW{.weight_decay = -1}.validate()),
                       "mtlx: AdamW: weight_decay must be a number of at least 0, and is -1", Error);
  CHECK_THROWS_AS((optim::AdamW{.beta2 = 1}.validate()), Error);
}
