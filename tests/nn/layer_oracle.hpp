// SPDX-License-Identifier: MIT
// Runs a layer as scripts/oracle/layers.py ran PyTorch's:
//
//   oracle::agrees<nn::Sigmoid, Shape{25}>(oracle::sigmoid);
#pragma once

#include "trip.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace oracle {

/// y, dx and dp of one sample.
template <std::size_t outputs, std::size_t inputs, std::size_t parameters>
struct Values {
  std::array<double, outputs> y;
  std::array<double, inputs> dx;
  std::array<double, parameters> dp;
};

#include "layer_oracle.inc"

constexpr double x(int i) { return (i * 7 % 25 - 12) / 4.0; }
constexpr double dy(int i) { return (i * 5 % 13 - 6) / 8.0; }
constexpr double parameter(int i) { return (i * 3 % 11 - 4) / 8.0; }

inline layers::Numbers numbers(double (*formula)(int), std::size_t count) {
  layers::Numbers result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(formula(static_cast<int>(i)));
  return result;
}

inline void near(const char* what, std::span<const double> expected, const layers::Numbers& got) {
  CAPTURE(what);
  REQUIRE(expected.size() == got.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(got[i] - expected[i]) <= 1e-14 * (1 + std::abs(expected[i])));
  }
}

/// Whether a layer gives PyTorch's y, dx and dp.
template <mtlx::nn::Layer L, mtlx::Shape In, std::size_t outputs, std::size_t inputs, std::size_t parameters>
void agrees(const Values<outputs, inputs, parameters>& expected) {
  const layers::Trip<L, In> trip(numbers(x, inputs), numbers(parameter, parameters), numbers(dy, outputs));
  near("y", expected.y, trip.y);
  near("dx", expected.dx, trip.dx);
  near("dp", expected.dp, trip.dp);
}

}  // namespace oracle
