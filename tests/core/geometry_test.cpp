// SPDX-License-Identifier: MIT
#include <mtlx/core/geometry.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

TEST_CASE("places of a window are those that fit") {
  for (int extent = 1; extent < 12; ++extent)
    for (int kernel = 1; kernel < 12; ++kernel)
      for (int stride = 1; stride < 4; ++stride)
        for (int padding = 0; padding < 3; ++padding) {
          int fits = 0;
          for (int start = -padding; start + kernel <= extent + padding; start += stride) ++fits;
          CHECK(Window{kernel, stride, padding}.places(extent) == fits);
        }
}

TEST_CASE("a convolution's output and weights") {
  constexpr Convolution c{{3, 28, 20}, {5, 2, 1}, 7};
  CHECK(c.out() == Shape{7, 13, 9});
  CHECK(c.weights() == 7 * 3 * 5 * 5);
  CHECK(c == Convolution{{3, 28, 20}, {5, 2, 1}, 7});
  CHECK(c != Convolution{{3, 28, 20}, {5, 2, 0}, 7});
}

TEST_CASE("a pooling keeps its channels") {
  CHECK(Pooling{{3, 7, 8}, {2, 2, 0}}.out() == Shape{3, 3, 4});
  CHECK(Pooling{{3, 7, 8}, {3, 2, 1}}.out() == Shape{3, 4, 4});
}
