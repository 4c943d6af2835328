// SPDX-License-Identifier: MIT
// The laws, over chains of layers: one line each.
#include "layer_cases.hpp"

#include <mtlx/nn/sequential.hpp>

using namespace layers;

// Memory is planned without a look at the numbers' type: both types where kernels of all sorts meet, float elsewhere.
using Float = backend::Cpu<float>;

// Gradients go to and fro between two buffers, each as large as what comes to lie in it: 3 and 4, not twice 4. What works in
// place takes none.
static_assert(nn::scratch<Sequential<Dense<2>, Dense<4>, Dense<3>, Dense<1>>>({1, 1, 7}) == 3 + 4);
static_assert(nn::scratch<Sequential<Dense<4>, Relu, Dense<3>, Relu, Dense<1>>>({1, 1, 7}) == 3 + 4);
static_assert(nn::scratch<Sequential<Dense<4>, Tanh>>({1, 1, 7}) == 4);

TEST_CASE_TEMPLATE(
    "compositions obey the laws", C, Case<Sequential<Dense<5>>, row, Float>, Case<Sequential<Relu>, row, Float>,
    Case<Sequential<Dropout<50>>, row, Float>, Case<Sequential<Tanh, Tanh, Relu>, row, Float>,
    // chains that work in place
    Case<Sequential<Dense<5>, Relu, Dropout<50>, Tanh, Relu>, row>,
    Case<Sequential<Dropout<30>, Dropout<30>, Dense<4>, Dropout<30>>, row, Float>,
    Case<Sequential<Dense<6>, Relu, Dense<3>, Relu>, row, Float>,
    Case<Sequential<Twice, Relu, Neighbours, Tanh, Soft, Relu>, row, Float>,
    // nested: an inner chain's output is the outer one's to overwrite, unless it is read again
    Case<Sequential<Sequential<Dense<5>, Relu>, Dropout<50>, Sequential<Dense<4>, Dropout<50>>, Relu>, row, Float>,
    Case<Sequential<Sequential<Sequential<Tanh>>, Relu>, row, Float>,
    Case<Sequential<Relu, Sequential<Relu, Dense<3>, Dropout<50>>, Relu, Relu>, row, Float>,
    Case<Sequential<Conv2d<3, 3, 1, 1>, MaxPool2d<2>, Relu, Conv2d<2, 2>, Tanh, Dense<4>>, image>) {
  expect(C::check());
}

TEST_CASE_TEMPLATE(
    "residual chains obey the laws", C, Case<Residual<Dense<7>>, row, Float>,
    Case<Residual<Dense<7>, Relu>, row, Float>, Case<Residual<Relu>, row, Float>,
    Case<Residual<Dropout<50>>, row, Float>, Case<Residual<Relu, Dense<4>, Dropout<50>, Tanh, Dense<7>>, row>,
    Case<Residual<Residual<Dense<7>, Relu>, Relu, Dense<7>>, row, Float>,
    Case<Sequential<Dense<4>, Residual<Dense<4>, Relu>, Relu, Dropout<50>, Residual<Tanh, Dense<4>>, Tanh>, row, Float>,
    Case<Residual<Conv2d<2, 3, 1, 1>, Relu>, image>) {
  expect(C::check());
}
