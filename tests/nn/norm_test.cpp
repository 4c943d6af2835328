// SPDX-License-Identifier: MIT
#include "layer_cases.hpp"
#include "layer_oracle.hpp"

#include <mtlx/nn/norm.hpp>
#include <mtlx/nn/sequential.hpp>

#include <cmath>
#include <vector>

using namespace layers;

namespace {

using Float = backend::Cpu<float>::Slice<1>;
using Double = backend::Cpu<double>::Slice<1>;

/// A layer's y of samples in a row, with weights of 1 and biases of 0.25, on slices of a kind.
template <Layer L, Shape In, class S>
std::vector<double> outputs(const std::vector<double>& x) {
  std::vector<double> p(parameter_count<L>(In), 1);
  std::fill(p.begin() + static_cast<std::ptrdiff_t>(p.size() / 2), p.end(), 0.25);
  return testing::detail::LayerRun<L, In, S>::run({x, std::vector<double>(x.size()), p}).y;
}

/// `x`, as float holds it.
double in_float(double x) { return static_cast<double>(static_cast<float>(x)); }

double furthest(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double distance = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(is_finite(a[i]));
    distance = std::max(distance, std::abs(a[i] - b[i]));
  }
  return distance;
}

}  // namespace

TEST_CASE_TEMPLATE("norms obey the laws", C, Case<LayerNorm, row>, Case<LayerNorm, image>,
                   Case<GroupNorm<2>, Shape{4, 3, 5}>, Case<GroupNorm<3>, Shape{3, 1, 2}>,
                   Case<GroupNorm<1>, Shape{3, 2, 1}>, Case<Sequential<Dense<6>, GroupNorm<2>, Relu, Dense<2>>, row>) {
  expect(C::check());
}

TEST_CASE("norms give PyTorch's values and gradients") {
  oracle::agrees<LayerNorm, Shape{7}>(oracle::layer_norm_row);
  oracle::agrees<LayerNorm, Shape{2, 3, 2}>(oracle::layer_norm_image);
  oracle::agrees<GroupNorm<1>, Shape{3, 1, 3}>(oracle::group_norm_1);
  oracle::agrees<GroupNorm<2>, Shape{4, 2, 3}>(oracle::group_norm_2);
  oracle::agrees<GroupNorm<3>, Shape{6}>(oracle::group_norm_of_row);
  oracle::agrees<GroupNorm<3>, Shape{3, 2, 2}>(oracle::instance_norm);
}

TEST_CASE("norms say their parameters") {
  const auto layer = parameters<LayerNorm>(Shape{2, 3, 4});
  CHECK(layer[0].name == "weight");
  CHECK(layer[0].shape == std::array{2, 3, 4, 0});
  CHECK(layer[1].name == "bias");
  CHECK(layer[1].size() == 24);
  const auto group = parameters<GroupNorm<2>>(Shape{6, 3, 4});
  CHECK(group[0].shape == std::array{6, 0, 0, 0});
  CHECK(group[1].size() == 6);
  Random random(1, Purpose::initialise);
  for (const auto& list : {layer, group}) {
    CHECK(list[0].role == Role::norm);
    CHECK(list[1].role == Role::norm);
    CHECK(list[0].initialiser(random, 1, 1) == 1);
    CHECK(list[1].initialiser(random, 1, 1) == 0);
  }
}

TEST_CASE("a large offset costs no digits") {
  constexpr Shape wide{16, 9, 9};
  std::vector<double> x(3 * wide.size());
  // 9999 and 10001 in turn: the mean is 10000, and so the result known. (An odd count leaves the mean a little off.)
  const std::vector<double> noise = testing::detail::normals(x.size(), 3, 1);
  for (const double offset : {1e4, -1e4, 1e6}) {
    CAPTURE(offset);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = offset + (i % 2 == 0 ? -1 : 1);
    std::vector<double> expected(x.size());
    const double rest = 1 / std::sqrt(1 + 1e-5);
    for (std::size_t i = 0; i < x.size(); ++i) expected[i] = 0.25 + (i % 2 == 0 ? -rest : rest);
    CHECK(furthest(outputs<GroupNorm<8>, wide, Float>(x), expected) < 1e-6);
    CHECK(furthest(outputs<LayerNorm, wide, Float>(x), expected) < 1e-6);
    // Against double, of the same numbers.
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = in_float(offset + noise[i]);
    const auto exact = outputs<GroupNorm<4>, wide, backend::ReferenceSlice>(x);
    CHECK(furthest(outputs<GroupNorm<4>, wide, Float>(x), exact) < 2e-6);
    CHECK(furthest(outputs<GroupNorm<4>, wide, Double>(x), exact) < 1e-12);
  }
}

TEST_CASE("equal numbers give the bias, however large") {
  constexpr Shape shape{6, 7, 5};
  std::vector<double> x(2 * shape.size());
  const std::vector<double> expected(x.size(), 0.25);
  for (const double number : {0.0, 0.1, -1e4, 1e12, 3e38, 1e-45}) {
    CAPTURE(number);
    std::fill(x.begin(), x.end(), in_float(number));
    CHECK(outputs<GroupNorm<2>, shape, Float>(x) == expected);
    CHECK(outputs<LayerNorm, shape, Double>(x) == expected);
  }
}

TEST_CASE("neither a last digit nor an outlier makes NaN or noise") {
  constexpr Shape shape{4, 5, 5};
  std::vector<double> x(shape.size());
  // Two neighbours among floats: the variance is of the order of the square of what rounding leaves.
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 3 == 0 ? in_float(1e12) : in_float(1e12) + 65536;
  const auto exact = outputs<LayerNorm, shape, backend::ReferenceSlice>(x);
  CHECK(furthest(outputs<LayerNorm, shape, Float>(x), exact) < 1e-5);
  // One large number, at the front or elsewhere, leaves the order of the others to be seen where float has it.
  for (const std::size_t at : {std::size_t{0}, std::size_t{40}}) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i);
    x[at] = 1e6;
    CHECK(furthest(outputs<LayerNorm, shape, Float>(x), outputs<LayerNorm, shape, backend::ReferenceSlice>(x)) < 2e-6);
  }
}

TEST_CASE("NaN stays in its group") {
  constexpr Shape shape{4, 1, 3};
  std::vector<double> x = testing::detail::normals(shape.size(), 1, 1);
  x[7] = testing::detail::not_a_number;
  const auto y = outputs<GroupNorm<2>, shape, Float>(x);
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(is_nan(y[i]) == (i >= 6));
}
