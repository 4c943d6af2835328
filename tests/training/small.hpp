// SPDX-License-Identifier: MIT
// Small tasks, data and comparisons for the tests of training.
#pragma once

#include <mtlx/data/data_set.hpp>
#include <mtlx/nn/activation.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/sequential.hpp>
#include <mtlx/nn/task.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/training/sampler.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

namespace small {

using namespace mtlx;

using Kinds = Tasks<Classification<"kind", 3>, BinaryLabels<"flags", 3>, Regression<"place", 2>>;
inline constexpr Shape shape{4};
// Smooth, for finite differences.
using Trunk = nn::Sequential<nn::Dense<5>, nn::Tanh>;
using FlagsHead = sharing::Head<"flags", nn::Sequential<nn::Dense<4>, nn::Tanh, nn::Dense<3>>>;

inline constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// Numbers in [-1, 1).
inline std::vector<float> numbers(std::size_t count, std::uint64_t stream) {
  Random random(11, Purpose::user, stream);
  std::vector<float> result(count);
  for (float& x : result) x = static_cast<float>(2 * random.uniform() - 1);
  return result;
}

inline data::Inputs inputs(std::size_t samples, std::uint64_t stream = 0, Shape of = shape) {
  return {of, numbers(samples * of.size(), 4 * stream)};
}

/// Targets of the three tasks; each is missing with probability `missing`, but not in the first sample.
inline data::Column kind(std::size_t samples, double missing, std::uint64_t stream = 0) {
  Random random(5, Purpose::user, 4 * stream + 1);
  std::vector<int> labels(samples);
  for (int& label : labels) {
    label = static_cast<int>(random.below(3));
    if (random.uniform() < missing && &label != labels.data()) label = data::missing_label;
  }
  return {"kind", data::Targets::classes(labels)};
}
inline data::Column flags(std::size_t samples, double missing, std::uint64_t stream = 0) {
  Random random(5, Purpose::user, 4 * stream + 2);
  std::vector<float> labels(3 * samples);
  for (float& label : labels) {
    label = static_cast<float>(random.below(2));
    if (random.uniform() < missing && &label != labels.data()) label = nan;
  }
  return {"flags", data::Targets::values(3, labels)};
}
inline data::Column place(std::size_t samples, double missing, std::uint64_t stream = 0) {
  Random random(5, Purpose::user, 4 * stream + 3);
  std::vector<float> places(2 * samples);
  for (float& number : places) {
    number = static_cast<float>(random.normal());
    if (random.uniform() < missing && &number != places.data()) number = nan;
  }
  return {"place", data::Targets::values(2, places)};
}

/// One stream for all tasks.
inline data::DataSet shared(std::size_t samples, double missing = 0, std::uint64_t stream = 0, Shape of = shape) {
  return {inputs(samples, stream, of),
          {kind(samples, missing, stream), flags(samples, missing, stream), place(samples, missing, stream)}};
}
/// One stream for "kind", one for the others.
inline data::DataSet own(std::size_t first, std::size_t second, double missing = 0, Shape of = shape) {
  data::DataSet data(inputs(first, 1, of), {kind(first, missing, 1)});
  data.add(inputs(second, 2, of), {flags(second, missing, 2), place(second, missing, 2)});
  return data;
}

/// All samples of all streams, or some, as one step's parts.
class Batch {
 public:
  explicit Batch(const data::DataSet& data) {
    orders_.reserve(data.streams().size());
    for (const data::Stream& stream : data.streams()) {
      std::vector<std::uint32_t> order(stream.inputs.size());
      std::iota(order.begin(), order.end(), 0U);
      add(orders_.size(), std::move(order));
    }
  }
  explicit Batch(std::vector<std::uint32_t> order) {
    orders_.reserve(1);
    add(0, std::move(order));
  }
  std::span<const training::Sampler::Part> parts() const { return parts_; }

 private:
  void add(std::size_t stream, std::vector<std::uint32_t> order) {
    orders_.push_back(std::move(order));
    parts_.push_back({stream, orders_.back()});
  }
  std::vector<std::vector<std::uint32_t>> orders_;
  std::vector<training::Sampler::Part> parts_;
};

template <class Range>
auto copy(const Range& range) {
  return std::vector<std::remove_cv_t<typename Range::value_type>>(range.begin(), range.end());
}

/// Equal to the last bit: NaN equals itself, 0 does not equal -0.
template <class A, class B>
bool same_bits(const A& a, const B& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(*a.data())) == 0;
}

template <class A, class B>
double distance(const A& a, const B& b) {
  double largest = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

}  // namespace small
