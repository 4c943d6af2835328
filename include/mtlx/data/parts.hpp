// SPDX-License-Identifier: MIT
// What data sets with many tasks need before a model sees them: three parts, the tasks that a model has, targets of one scale.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/data/clusters.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

/// Samples that train, that are looked at while one chooses, and that are looked at once.
struct Parts {
  DataSet train, validation, test;
};

/// The samples of a data set with the targets of the named tasks alone, in that order: `select(all, Tags::names)`. Streams
/// without any of them are left out. Throws `Error` if a task is named twice or has no targets.
[[gnu::cold, gnu::noinline]] inline DataSet select(const DataSet& all, std::span<const std::string_view> tasks) {
  DataSet some;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    bool found = false;
    for (const Stream& stream : all.streams()) found = found || stream.find(tasks[t]) != nullptr;
    if (!found) fail("select: the data set has no targets for a task ", detail::shown(tasks[t]));
    for (std::size_t other = 0; other < t; ++other)
      if (tasks[other] == tasks[t]) fail("select: task ", detail::shown(tasks[t]), " is named twice");
  }
  for (const Stream& stream : all.streams()) {
    std::vector<Column> columns;
    for (const std::string_view task : tasks)
      if (const Targets* targets = stream.find(task)) columns.push_back({std::string(task), *targets});
    if (!columns.empty()) some.add(stream.inputs, std::move(columns));
  }
  return some;
}

/// The same of each part.
[[gnu::cold]] inline Parts select(const Parts& all, std::span<const std::string_view> tasks) {
  return {select(all.train, tasks), select(all.validation, tasks), select(all.test, tasks)};
}

/// Three parts at random, whole clusters at a time (`clusters` may give each sample one of its own): round(test * clusters)
/// to test on, of the others round(validation * those) to validate on. Throws `Error` as `split` by clusters does.
[[gnu::cold, gnu::noinline]] inline Parts split_in_three(const DataSet& data, const Clusters& clusters, double test,
                                                         double validation, std::uint64_t seed) {
  auto [tested, others] = split(data, clusters, test, seed);
  auto [validated, trained] = split(others.data, others.clusters, validation, seed);
  return {std::move(trained.data), std::move(validated.data), std::move(tested.data)};
}

/// The same, sample by sample.
[[gnu::cold, gnu::noinline]] inline Parts split_in_three(const DataSet& data, double test, double validation,
                                                         std::uint64_t seed) {
  auto [tested, others] = split(data, test, seed);
  auto [validated, trained] = split(others, validation, seed);
  return {std::move(trained), std::move(validated), std::move(tested)};
}

/// Has the targets of some tasks of numbers measured in deviations from the mean, those of `train`'s present targets, each
/// number of a task by itself; in `others` too. A number that never varies keeps its unit. Throws `Error` (and changes
/// nothing) if `train` has no targets for a task, or none that is present, and where targets in `others` have another width.
[[gnu::cold, gnu::noinline]] inline void standardise(DataSet& train, std::initializer_list<DataSet*> others,
                                                     std::span<const std::string_view> tasks) {
  struct Scale {
    double mean = 0, deviation = 1;
  };
  std::vector<std::vector<Scale>> scales;  // (tasks, width)
  for (const std::string_view task : tasks) {
    std::vector<double> counts, sums, squares;
    for (const int round : {0, 1})
      for (const Stream& stream : train.streams()) {
        const Targets* targets = stream.find(task);
        if (targets == nullptr) continue;
        for (std::vector<double>* all : {&counts, &sums, &squares}) all->resize(targets->width());
        for (std::size_t row = 0; row < targets->size(); ++row)
          for (std::size_t i = 0; i < targets->width(); ++i) {
            if (!targets->present(row, i)) continue;
            const auto value = static_cast<double>(targets->value(row, i));
            if (round == 0)
              counts[i] += 1, sums[i] += value;
            else
              squares[i] += (value - sums[i] / counts[i]) * (value - sums[i] / counts[i]);
          }
      }
    std::vector<Scale> of_task;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) break;
      const double deviation = std::sqrt(squares[i] / counts[i]);
      of_task.push_back({sums[i] / counts[i], deviation < std::numeric_limits<float>::min() ? 1 : deviation});
    }
    if (of_task.empty() || of_task.size() != counts.size())
      fail("standardise: the training data have no targets for the task ", detail::shown(task));
    scales.push_back(std::move(of_task));
  }
  const auto scaled = [&](const DataSet& data) {
    DataSet result;
    for (const Stream& stream : data.streams()) {
      std::vector<Column> columns;
      for (const Column& column : stream.columns) {
        std::size_t t = 0;
        while (t < tasks.size() && tasks[t] != column.task) ++t;
        columns.push_back(column);
        if (t == tasks.size()) continue;
        const Targets& from = column.targets;
        if (from.width() != scales[t].size())
          fail("standardise: targets of width ", from.width(), " for the task ", detail::shown(tasks[t]), ", expected ",
               scales[t].size(), " as in training");
        std::vector<float> values(from.size() * from.width(), std::numeric_limits<float>::quiet_NaN());
        for (std::size_t i = 0; i < values.size(); ++i)
          if (const std::size_t row = i / from.width(), at = i % from.width(); from.present(row, at)) {
            const Scale& scale = scales[t].at(at);
            values[i] = static_cast<float>((static_cast<double>(from.value(row, at)) - scale.mean) / scale.deviation);
          }
        columns.back().targets = Targets::values(from.width(), std::move(values));
        std::vector<std::size_t> lengths;  // of the sequences
        for (std::size_t row = 0; row < from.size(); ++row)
          if (from.goes_on(row))
            ++lengths.back();
          else
            lengths.push_back(1);
        if (lengths.size() != from.size()) columns.back().targets = columns.back().targets.in_sequences(lengths);
      }
      result.add(stream.inputs, std::move(columns));
    }
    return result;
  };
  DataSet new_train = scaled(train);
  std::vector<DataSet> new_others;
  for (const DataSet* other : others) new_others.push_back(scaled(*other));
  train = std::move(new_train);
  for (std::size_t i = 0; i < others.size(); ++i) *others.begin()[i] = std::move(new_others[i]);
}

}  // namespace mtlx::data
