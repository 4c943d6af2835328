// SPDX-License-Identifier: MIT
// One sample through a layer and back, on the reference backend.
#pragma once

#include <mtlx/backend/reference.hpp>
#include <mtlx/nn/layer.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace layers {

using Numbers = std::vector<double>;

template <mtlx::nn::Layer L, mtlx::Shape In>
struct Trip {
  using S = mtlx::backend::ReferenceSlice;
  Numbers y, dx, dp;

  Trip(Numbers x, const Numbers& parameters, Numbers dy, bool training = false)
      : y(L::output(In).size()), dx(In.size()), dp(mtlx::nn::parameter_count<L>(In)) {
    REQUIRE(x.size() == In.size());
    REQUIRE(dy.size() == y.size());
    REQUIRE(parameters.size() == dp.size());
    Numbers kept(mtlx::nn::saved<L>(In)), scribbled(mtlx::nn::scratch<L>(In));
    const mtlx::backend::Draws draws{{1, 2}, 3, 4, 0};
    mtlx::nn::forward<L, In, S>({parameters.data(), {x.data()}, {y.data()}, {kept.data()}, draws, training});
    mtlx::nn::backward<L, In, true, S>({parameters.data(),
                                        {x.data()},
                                        {y.data()},
                                        {kept.data()},
                                        {dy.data()},
                                        {dx.data()},
                                        dp.data(),
                                        {scribbled.data()},
                                        draws,
                                        training});
  }
};

}  // namespace layers
