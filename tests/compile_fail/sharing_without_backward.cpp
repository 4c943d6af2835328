// SPDX-License-Identifier: MIT
// expect: mtlx: the network of a sharing strategy lacks something: see sharing/sharing.hpp
#include <mtlx/mtlx.hpp>

using namespace mtlx;

using TaskList = Tasks<Classification<"left", 3>, Regression<"right", 2>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Relu>;

#ifdef MTLX_FIXED
struct Mine : sharing::Hard<Trunk> {};
#else
struct Mine {
  static constexpr auto kind = Kind::sharing;
  template <Shape In, class List>
  static consteval bool check() {
    return true;
  }
  template <Shape In, class List>
  struct Network : sharing::Hard<Trunk>::Network<In, List> {
    template <class S>
    static void backward(const sharing::NetworkPass<S>&) {}
  };
};
#endif

using Model = MultiTask<Input<8>, TaskList, Mine>;

#include "use_model.inc"
