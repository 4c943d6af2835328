// SPDX-License-Identifier: MIT
// The program of a project of your own: prints what a model is made of.
#include <cstdio>
#include <mtlx/mtlx.hpp>
using namespace mtlx;

using Both = Tasks<Regression<"sum", 1>, Regression<"product", 1>>;
using Model = MultiTask<Input<2>, Both, sharing::Hard<nn::Sequential<nn::Dense<8>, nn::Relu>>>;

int main() { return std::printf("%s", Model().summary().text().c_str()) > 0 ? 0 : 1; }
