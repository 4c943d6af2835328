// SPDX-License-Identifier: MIT
// The laws of sharing/sharing.hpp, on one sample in double.
#pragma once

#include <mtlx/backend/reference.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/sharing/sharing.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
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
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

inline std::vector<double> numbers(std::size_t count, std::uint64_t stream) {
  Random random(1, Purpose::user, stream);
  std::vector<double> result(count);
  for (double& x : result) x = random.normal();
  return result;
}

/// Segments cover the vector in order, shared ones first; for_each_parameter covers it too.
template <class Net>
void check_layout() {
  std::size_t at = 0, shared = 0;
  bool own = false;
  for (const Segment& segment : Net::segments) {
    CHECK(segment.offset == at);
    CHECK_FALSE(segment.owners.empty());
    at += segment.size;
    if (segment.owners.count() > 1) {
      CHECK_FALSE(own);
      shared += segment.size;
    } else {
      own = true;
    }
  }
  CHECK(at == Net::parameters);
  CHECK(shared == Net::shared);
  at = 0;
  std::set<std::string> paths;
  Net::for_each_parameter([&](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
    CHECK(offset == at);
    CHECK(paths.insert(path.text()).second);
    at += p.size();
  });
  CHECK(at == Net::parameters);
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

/// For every set of tasks: the gradient agrees with finite differences, is added to what stood there, and is the sum of
/// the tasks'; absent tasks' parameters are neither read nor touched.
template <class Net>
void check_passes() {
  const auto parameters = numbers(Net::parameters, 1);
  std::vector<std::vector<double>> one;
  const auto total = [](const Passed<Net>& p, double start) {
    auto sum = p.shared;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += p.own[i] - 2 * start;
    return sum;
  };
  for (std::size_t t = 0; t < Net::tasks; ++t) one.push_back(total(pass<Net>(parameters, TaskSet::only(t)), 0));
  for (unsigned bits = 1; bits < 1U << Net::tasks; ++bits) {
    CAPTURE(bits);
    TaskSet set;
    for (std::size_t t = 0; t < Net::tasks; ++t)
      if ((bits >> t & 1) != 0) set = set.with(t);
    auto poisoned = parameters;
    for (const Segment& s : Net::segments)
      if (!s.owners.meets(set)) std::fill_n(poisoned.begin() + static_cast<std::ptrdiff_t>(s.offset), s.size, nan);
    // What memory held before must not matter either.
    const auto clean = total(pass<Net>(parameters, set), 0);
    const auto found = total(pass<Net>(poisoned, set, 8, nan), 8);
    double apart = 0, wrong = 0, sum_apart = 0;
    for (std::size_t i = 0; i < clean.size(); ++i) {
      apart = std::max(apart, std::isfinite(found[i]) ? std::abs(found[i] - clean[i]) : 1e9);
      double sum = 0;
      for (std::size_t t = 0; t < Net::tasks; ++t) sum += set.has(t) ? one[t][i] : 0;
      sum_apart = std::max(sum_apart, std::abs(sum - clean[i]));
      auto left = parameters, right = parameters;
      left[i] -= 1e-5, right[i] += 1e-5;
      wrong = std::max(wrong, std::abs((phi<Net>(right, set) - phi<Net>(left, set)) / 2e-5 - clean[i]));
    }
    CHECK(apart < 1e-13);
    CHECK(sum_apart < 1e-13);
    CHECK(wrong < 1e-8);
    // Shared segments' gradients go to the one place, the others' to the other, and no further.
    const auto p = pass<Net>(poisoned, set, 8, nan);
    for (const Segment& s : Net::segments)
      for (std::size_t i = s.offset; i < s.offset + s.size; ++i) {
        const bool shared = s.owners.count() > 1;
        CHECK((shared ? p.own : p.shared)[i] == 8);
        if (!s.owners.meets(set)) CHECK((shared ? p.shared : p.own)[i] == 8);
      }
  }
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
