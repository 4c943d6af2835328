// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/optim/rms_prop.hpp>

#include "oracle.hpp"

using namespace mtlx;
using optim::CentredRmsProp;
using optim::RmsProp;

static_assert(Optimizer<RmsProp>);
static_assert(Optimizer<CentredRmsProp>);

namespace {
constexpr RmsProp momentum{.learning_rate = 5e-3, .alpha = 0.9, .epsilon = 1e-6, .weight_decay = 0.1, .momentum = 0.8};
constexpr CentredRmsProp centred{.learning_rate = 5e-3, .alpha = 0.9, .epsilon = 1e-2};
constexpr CentredRmsProp centred_momentum{
    .learning_rate = 5e-3, .alpha = 0.8, .epsilon = 1e-2, .weight_decay = 0.1, .momentum = 0.5};
}  // namespace

TEST_CASE_TEMPLATE("RmsProp takes PyTorch's steps in double", Back, backend::Reference, backend::Cpu<double>) {
  oracle::agrees<Back>(RmsProp{}, rms_prop_default, 1e-12);
  oracle::agrees<Back>(momentum, rms_prop_momentum, 1e-12);
  oracle::agrees<Back>(centred, rms_prop_centred, 1e-12);
  oracle::agrees<Back>(centred_momentum, rms_prop_centred_momentum, 1e-12);
}

TEST_CASE("RmsProp takes PyTorch's steps in float, to rounding") {
  using Back = backend::Cpu<float>;
  oracle::agrees<Back>(RmsProp{}, rms_prop_default, 2e-6);
  oracle::agrees<Back>(momentum, rms_prop_momentum, 1e-5);
  oracle::agrees<Back>(centred, rms_prop_centred, 4e-6);
  oracle::agrees<Back>(centred_momentum, rms_prop_centred_momentum, 1e-5);
}

TEST_CASE("a variance that rounding made negative is 0, not NaN") {
  // The gradient's mean square, and a mean whose square is a little larger.
  std::array<double, 3> state{1, 0, 1 + 1e-12};
  double p = 0;
  CentredRmsProp{.learning_rate = 1, .alpha = 0.5, .epsilon = 0.5}.rule({})(p, 1.0, state);
  CHECK(p == -2);
}

TEST_CASE("RmsProp refuses options out of range") {
  CHECK_THROWS_WITH_AS((RmsProp{.alpha = 1}.validate()),
                       "mtlx: RmsProp: alpha must be at least 0 and less than 1, and is 1", Error);
  CHECK_THROWS_AS((CentredRmsProp{.momentum = -1}.validate()), Error);
}
