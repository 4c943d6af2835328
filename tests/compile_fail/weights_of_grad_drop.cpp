// SPDX-License-Identifier: MIT
// expect: mtlx: this balancer has no weights that follow from a Gram matrix: use balancing::combine
#include <mtlx/balancing/combine.hpp>
#include <mtlx/balancing/grad_drop.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

double first_of(const Eigen::MatrixXd& gradients);
double first_of(const Eigen::MatrixXd& gradients) {
#ifdef MTLX_FIXED
  return balancing::combine(balancing::GradDrop{}, gradients)[0];
#else
  return balancing::weights(balancing::GradDrop{}, gradients * gradients.transpose())[0];
#endif
}
