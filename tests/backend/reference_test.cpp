// SPDX-License-Identifier: MIT
// The oracle against numbers worked out by hand.
#include <mtlx/backend/reference.hpp>
#include <mtlx/testing/backend_laws.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace mtlx;
using S = backend::ReferenceSlice;
using Numbers = std::vector<double>;

namespace {

static_assert(Backend<backend::Reference>);

}  // namespace

TEST_CASE("dense") {
  const Numbers weight{1, 2, 3, 4, 5, 6}, bias{10, 20}, x{1, 0, -1}, dy{1, -1};
  Numbers y(2), dx(3), dweight(6, 1), dbias(2, 1);
  S::dense_forward<3, 2>(weight.data(), bias.data(), {x.data()}, {y.data()});
  CHECK(y == Numbers{10 + 1 - 5, 20 + 2 - 6});
  S::dense_backward_input<3, 2>(weight.data(), {dy.data()}, {dx.data()});
  CHECK(dx == Numbers{-1, -1, -1});
  S::dense_backward_parameters<3, 2>({x.data()}, {dy.data()}, dweight.data(), dbias.data());
  CHECK(dweight == Numbers{2, 0, 1, 1, 0, 2});
  CHECK(dbias == Numbers{2, 0});
}

TEST_CASE("convolution") {
  constexpr Convolution c{{1, 3, 3}, {2, 1, 0}, 1};
  const Numbers weight{1, 2, 3, 4}, bias{0.5}, x{1, 2, 3, 4, 5, 6, 7, 8, 9};
  Numbers y(4), dx(9), dweight(4), dbias(1);
  S::convolution_forward<c>(weight.data(), bias.data(), {x.data()}, {y.data()});
  CHECK(y == Numbers{37.5, 47.5, 67.5, 77.5});
  const Numbers dy{1, 0, 0, -1};
  S::convolution_backward_input<c>(weight.data(), {dy.data()}, {dx.data()});
  CHECK(dx == Numbers{1, 2, 0, 3, 4 - 1, -2, 0, -3, -4});
  S::convolution_backward_parameters<c>({x.data()}, {dy.data()}, dweight.data(), dbias.data());
  CHECK(dweight == Numbers{-4, -4, -4, -4});
  CHECK(dbias == Numbers{0});
}

TEST_CASE("convolution with stride, padding and channels") {
  constexpr Convolution c{{2, 2, 3}, {3, 2, 1}, 1};
  // Filter 1 takes the middle of channel 0, and the right neighbour in channel 1.
  Numbers weight(18);
  weight[4] = 1;
  weight[9 + 5] = 10;
  const Numbers bias{0}, x{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  Numbers y(2);
  static_assert(c.out() == Shape{1, 1, 2});
  S::convolution_forward<c>(weight.data(), bias.data(), {x.data()}, {y.data()});
  CHECK(y == Numbers{1 + 80, 3});
}

TEST_CASE("pooling: first of equals, NaN wins, windows overlap") {
  constexpr Pooling p{{1, 1, 5}, {3, 1, 1}};
  static_assert(p.out() == Shape{1, 1, 5});
  const Numbers x{1, 3, 3, -1, 2}, dy{1, 2, 4, 8, 16};
  Numbers y(5), winner(5), dx(5);
  S::max_pool_forward<p>({x.data()}, {y.data()}, {winner.data()});
  CHECK(y == Numbers{3, 3, 3, 3, 2});
  CHECK(winner == Numbers{5, 4, 3, 3, 4});
  S::max_pool_backward<p>({winner.data()}, {dy.data()}, {dx.data()});
  CHECK(dx == Numbers{0, 1 + 2 + 4, 8, 0, 16});
  const Numbers broken{1, testing::detail::not_a_number, 3, -1, 2};
  S::max_pool_forward<p>({broken.data()}, {y.data()}, {winner.data()});
  CHECK(std::isnan(y[0]));
  CHECK(std::isnan(y[2]));
  CHECK(y[3] == 3);
}

TEST_CASE("embedding: a row for each id, none for what is no id") {
  const Numbers weight{1, 2, 3, 4, 5, 6}, ids{2, 0, 2}, dy{1, 2, 3, 10, 20, 30};
  Numbers y(6), dweight(6, 1);
  S::embedding_forward<3, 2, 3>(weight.data(), {ids.data()}, {y.data()});
  CHECK(y == Numbers{5, 1, 5, 6, 2, 6});
  S::embedding_backward<3, 2, 3>({ids.data()}, {dy.data()}, dweight.data());
  CHECK(dweight == Numbers{3, 21, 1, 1, 5, 41});
  const Numbers broken{3, 1, -1};
  S::embedding_forward<3, 2, 3>(weight.data(), {broken.data()}, {y.data()});
  for (const std::size_t i : {0U, 2U, 3U, 5U}) CHECK(std::isnan(y[i]));
  CHECK(y[1] == 3);
  CHECK(y[4] == 4);
  S::embedding_backward<3, 2, 3>({broken.data()}, {dy.data()}, dweight.data());
  CHECK(dweight == Numbers{3, 21, 3, 21, 5, 41});
}

TEST_CASE("the reference obeys the laws of backends") {
  const auto report = testing::check_backend<backend::Reference>([] { return backend::Reference(); });
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.checks() > 1000);
}
