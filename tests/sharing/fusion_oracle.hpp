// SPDX-License-Identifier: MIT
// Runs a network for the tasks `Three` as scripts/oracle/sharing_fusion.py ran PyTorch's:
//
//   fusion_oracle::agrees<Net>(fusion_oracle::mtan_output, fusion_oracle::mtan_gradient);
#pragma once

#include "network_laws.hpp"

#include <doctest/doctest.h>

#include <span>
#include <vector>

namespace fusion_oracle {

using namespace network_laws;

#include "fusion_oracle.inc"

inline constexpr Shape shape{1, 4, 4};

inline std::vector<double> parameters(std::size_t count) {
  std::vector<double> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = (static_cast<int>(i * 37 % 101) - 50) / 64.0;
  return result;
}

/// Outputs of all tasks, and the gradient of the sum of (1, 2, ...) . z over them.
struct Ran {
  std::vector<double> output, gradient;
};
template <class Net>
Ran run(const std::vector<double>& parameters, TaskSet set = TaskSet::first(3)) {
  std::vector<double> memory(Net::memory, network_laws::nan);
  for (std::size_t i = 0; i < Net::in.size(); ++i) memory[Net::input + i] = (static_cast<int>(i * 29 % 53) - 26) / 16.0;
  Ran ran{{}, std::vector<double>(Net::parameters)};
  const sharing::NetworkPass<Slice> to{parameters.data(), {memory.data()}, set, {}, true};
  Net::template forward<Slice>(to);
  const std::size_t outputs[] = {3, 2, 1};
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t i = 0; i < outputs[t] && set.has(t); ++i) {
      ran.output.push_back(memory[Net::output[t] + i]);
      memory[Net::output_gradient[t] + i] = static_cast<double>(i + 1);
    }
  Net::template backward<Slice>(to, {ran.gradient.data(), ran.gradient.data()});
  return ran;
}

inline void near(std::span<const double> expected, std::span<const double> got) {
  REQUIRE(expected.size() == got.size());
  double apart = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    apart = std::max(apart, is_finite(got[i]) ? std::abs(got[i] - expected[i]) : 1e9);
  CHECK(apart < 1e-10);
}

template <class Net>
void agrees(std::span<const double> output, std::span<const double> gradient) {
  const Ran ran = run<Net>(parameters(Net::parameters));
  near(output, ran.output);
  near(gradient, ran.gradient);
}

}  // namespace fusion_oracle
