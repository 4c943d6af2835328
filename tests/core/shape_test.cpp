// SPDX-License-Identifier: MIT
#include <mtlx/core/shape.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

TEST_CASE("a shape's size is the product of its extents") {
  CHECK(Shape{3, 4, 5}.size() == 60);
  CHECK(Shape{7}.size() == 7);
  CHECK(Shape{}.size() == 0);
  // More than an int holds.
  CHECK(Shape{1 << 20, 1 << 10, 1 << 10}.size() == std::size_t{1} << 40);
  CHECK(Shape{7} == Shape{7, 1, 1});
  CHECK(Shape{2, 3, 4} != Shape{2, 4, 3});
}

TEST_CASE("pixels lie channel by channel, row by row") {
  std::size_t place = 0;
  for (int c = 0; c < 2; ++c)
    for (int h = 0; h < 3; ++h)
      for (int w = 0; w < 4; ++w) CHECK(Shape{2, 3, 4}.at(c, h, w) == place++);
  CHECK(Shape{1 << 20, 1 << 10, 1 << 10}.at(1 << 19, 1, 2) == (std::size_t{1} << 39) + 1026);
}

TEST_CASE("an input names its shape") {
  CHECK(Input<1, 28, 28>::shape == Shape{1, 28, 28});
  CHECK(Input<64>::shape == Shape{64, 1, 1});
}
