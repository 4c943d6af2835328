// SPDX-License-Identifier: MIT
// expect: mtlx: this balancer doesn't ask for the losses after the step
#include <mtlx/balancing/combine.hpp>
#include <mtlx/balancing/famo.hpp>
#include <mtlx/mtlx.hpp>

using namespace mtlx;

void tell(std::span<const double> losses);
#ifdef MTLX_FIXED
using Method = balancing::Famo;
#else
using Method = balancing::PcGrad;
#endif
void tell(std::span<const double> losses) {
  balancing::Kept<Method> kept;
  balancing::after(Method{}, kept, losses);
}
