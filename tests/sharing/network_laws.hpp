// SPDX-License-Identifier: MIT
// Tasks, layers and lists for the tests of sharing strategies; the laws are testing/sharing_laws.hpp.
#pragma once

#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <mtlx/testing/sharing_laws.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace network_laws {

using namespace mtlx;

template <Name TaskName, int Outputs>
struct Outputs_ {
  static constexpr auto name = TaskName;
  static constexpr int outputs = Outputs;
};
using Three = Tasks<Outputs_<"a", 3>, Outputs_<"b", 2>, Outputs_<"c", 1>>;
using Trunk = nn::Sequential<nn::Dense<5>, nn::Tanh>;
using HeadB = sharing::Head<"b", nn::Sequential<nn::Dense<4>, nn::Tanh, nn::Dense<2>>>;

using Slice = backend::ReferenceSlice;
inline constexpr double nan = testing::detail::not_a_number;

inline std::vector<double> numbers(std::size_t count, std::uint64_t stream) {
  return testing::detail::normals(count, 1, stream);
}

/// The first Net::tasks tasks of Three.
template <std::size_t count>
using Some = std::conditional_t<count == 1, Tasks<Three::At<0>>,
                                std::conditional_t<count == 2, Tasks<Three::At<0>, Three::At<1>>, Three>>;

/// All laws of a network whose tasks are the first of Three.
template <class Net>
void check_passes(const testing::SharingOptions& options = {}) {
  const testing::Report report = testing::check_network<Net, Some<Net::output.size()>>(options);
  INFO(report.text());
  CHECK(report.ok());
  CHECK(report.checks() > 100);
}

/// The laws of the layout alone.
template <class Net>
void check_layout() {
  testing::Report report;
  testing::detail::layout_of<Net, Some<Net::output.size()>>(report, {});
  INFO(report.text());
  CHECK(report.ok());
}

template <class Net>
struct Passed {
  std::vector<double> memory;
  std::vector<double> shared, own;  // gradients
};

// Forward and backward with dz = (1, 2, ...) for every task of the set, gradients starting at `start`.
template <class Net>
Passed<Net> pass(std::vector<double> parameters, TaskSet set, double start = 0, double garbage = 0) {
  Passed<Net> p{std::vector<double>(Net::memory, garbage), std::vector<double>(Net::parameters, start),
                std::vector<double>(Net::parameters, start)};
  const auto x = numbers(Net::in.size(), 100);
  std::copy(x.begin(), x.end(), p.memory.begin() + static_cast<std::ptrdiff_t>(Net::input));
  const sharing::NetworkPass<Slice> to{parameters.data(), {p.memory.data()}, set, {}, true};
  Net::template forward<Slice>(to);
  const int outputs[] = {3, 2, 1};
  for (std::size_t t = 0; t < Net::tasks; ++t)
    for (int i = 0; i < outputs[t] && set.has(t); ++i)
      p.memory[Net::output_gradient[t] + static_cast<std::size_t>(i)] = i + 1;
  Net::template backward<Slice>(to, {p.shared.data(), p.own.data()});
  return p;
}

// phi = sum of (1, 2, ...) . z over the set's tasks.
template <class Net>
double phi(const std::vector<double>& parameters, TaskSet set) {
  std::vector<double> memory(Net::memory);
  const auto x = numbers(Net::in.size(), 100);
  std::copy(x.begin(), x.end(), memory.begin() + static_cast<std::ptrdiff_t>(Net::input));
  Net::template forward<Slice>({parameters.data(), {memory.data()}, set, {}, true});
  const int outputs[] = {3, 2, 1};
  double sum = 0;
  for (std::size_t t = 0; t < Net::tasks; ++t)
    for (int i = 0; i < outputs[t] && set.has(t); ++i)
      sum += (i + 1) * memory[Net::output[t] + static_cast<std::size_t>(i)];
  return sum;
}

/// "tasks:layer" for every layer, in order, e.g. "abc:Dense".
template <class Net>
std::vector<std::string> layers() {
  std::vector<std::string> found;
  Net::for_each_layer([&](TaskSet owners, std::string_view name, Shape, Shape, std::size_t, double) {
    std::string line;
    for (std::size_t t = 0; t < Net::tasks; ++t)
      if (owners.has(t)) line += static_cast<char>('a' + t);
    found.push_back(line + ":" + std::string(name));
  });
  return found;
}

/// Every parameter's path, in order.
template <class Net>
std::vector<std::string> parameters() {
  std::vector<std::string> found;
  Net::for_each_parameter(
      [&](const nn::Path& path, const nn::Parameter&, std::size_t) { found.push_back(path.text()); });
  return found;
}

}  // namespace network_laws
