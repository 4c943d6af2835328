// SPDX-License-Identifier: MIT
// The samples of scripts/oracle/losses.py, and a loss's values and gradients there.
#pragma once

#include <mtlx/nn/loss.hpp>
#include <mtlx/testing/loss_laws.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include "loss_oracle.inc"

namespace loss_case {

inline constexpr std::size_t samples = 7, outputs = 4;

constexpr double z(std::size_t s, std::size_t i) {
  return (static_cast<double>((s * 7 + i * 5 + s * i) % 23) - 11) / 4;
}
constexpr double of_class(std::size_t s, std::size_t) { return static_cast<double>(s * 3 % outputs); }
constexpr double label(std::size_t s, std::size_t i) { return static_cast<double>((s + i) % 2); }
constexpr double soft(std::size_t s, std::size_t i) { return static_cast<double>((s * 3 + i) % 5) / 4; }
constexpr double number(std::size_t s, std::size_t i) { return (static_cast<double>((s * 5 + i * 3) % 9) - 4) / 2; }

struct Result {
  double value = 0;
  std::array<double, outputs> dz{};
};

/// One sample's loss on the reference.
template <class L>
Result loss(const std::array<double, outputs>& z, const std::array<double, outputs>& target, double scale = 1) {
  using S = mtlx::backend::ReferenceSlice;
  constexpr std::array<double, outputs> present{1, 1, 1, 1};
  Result result;
  result.value = L::template evaluate<static_cast<int>(outputs)>(
      mtlx::nn::LossSample<S>{{z.data()}, {target.data()}, {present.data()}, {result.dz.data()}, scale});
  return result;
}

/// Whether a loss gives PyTorch's values and gradients; the mean of the values.
template <class L>
double agrees(double (*target)(std::size_t, std::size_t), const double (&expected)[samples][1 + outputs]) {
  static_assert(mtlx::nn::Loss<L, outputs>);
  double total = 0;
  for (std::size_t s = 0; s < samples; ++s) {
    std::array<double, outputs> at{}, wanted{};
    for (std::size_t i = 0; i < outputs; ++i) at[i] = z(s, i), wanted[i] = target(s, i);
    const Result found = loss<L>(at, wanted, 2);
    CAPTURE(s);
    CHECK(std::abs(found.value - expected[s][0]) <= 1e-13 * (1 + std::abs(expected[s][0])));
    for (std::size_t i = 0; i < outputs; ++i) {
      CAPTURE(i);
      CHECK(std::abs(found.dz[i] / 2 - expected[s][1 + i]) <= 1e-13);
    }
    total += found.value;
  }
  return total / samples;
}

/// The laws of losses, in single precision and on the reference.
template <class L, int Outputs>
void keeps_the_laws(const mtlx::testing::LossOptions& options = {}) {
  const mtlx::testing::Report report = mtlx::testing::check_loss<L, Outputs, mtlx::backend::Cpu<float>>(options);
  CHECK_MESSAGE(report.ok(), report.text());
  CHECK(report.checks() > 1000);
}

}  // namespace loss_case
