// SPDX-License-Identifier: MIT
// expect: mtlx: balancing::combine takes gradients of float or double
#include <mtlx/balancing/combine.hpp>
#include <mtlx/balancing/up_grad.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

double first_of(const Eigen::MatrixXi& gradients);
double first_of(const Eigen::MatrixXi& gradients) {
#ifdef MTLX_FIXED
  return balancing::combine(balancing::UpGrad{}, gradients.cast<double>())[0];
#else
  return balancing::combine(balancing::UpGrad{}, gradients)[0];
#endif
}
