// SPDX-License-Identifier: MIT
// usage: exchangeable [--trials N] [--runs N] [--rate R] [--same-data] [--related] [--jobs N]
//
// A wrong claim is caught: five tasks of which none is a better partner than another, and many trials that look for one.
// Task t says whether x_0 + x_t > 0, t from 1 to 5, with 15 % of the labels turned; x has ten independent normal numbers. So any
// order of the tasks is as good as any other, and all row contrasts are 0. The affinities are not: all tasks have x_0 in
// common.
//
// A trial is some real trainings (MultiTask, plain gradient descent, the measure Lookahead on held-out samples) with first weights
// and samples of their own, and the tests of grouping/statistics/intervals.hpp at a family-wise 5 %. Printed is in how many
// trials a relation was reported: by row contrasts over runs (which should be about 5 in 100), by the affinities
// as they are, and within the first run of each trial. With --same-data a trial's runs differ in their first weights and the
// order of batches alone: a relation is then one of those samples, and may be there. With --related the task b asks what a asks,
// with labels turned anew: that is to be found.
//
//   g++ -std=c++20 -O3 -DNDEBUG -march=native -Iinclude -isystem /usr/include/eigen3 bench/grouping/exchangeable.cpp
//     -o build/exchangeable -pthread
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mtlx/core/sample_mean.hpp>
#include <mtlx/core/significance.hpp>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/statistics/intervals.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/training/affinity.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace mtlx;

namespace {

constexpr std::size_t tasks = 5, width = 10, samples = 1024, aside = 1024;

template <Name name>
using Yes = BinaryLabels<name, 1>;
using Model = MultiTask<Input<static_cast<int>(width)>, Tasks<Yes<"a">, Yes<"b">, Yes<"c">, Yes<"d">, Yes<"e">>,
                        sharing::Hard<nn::Sequential<nn::Dense<48>, nn::Tanh>>, optim::Sgd>;

data::DataSet generated(std::uint64_t seed, std::size_t count, bool related) {
  Random random(seed, Purpose::build);
  std::vector<float> x(count * width);
  for (float& number : x) number = static_cast<float>(random.normal());
  std::vector<data::Column> columns;
  for (std::size_t t = 0; t < tasks; ++t) {
    std::vector<float> y(count);
    for (std::size_t s = 0; s < count; ++s)
      y[s] = (x[s * width] + x[s * width + (related && t == 1 ? 1 : t + 1)] > 0) != (random.uniform() < 0.15) ? 1.0F
                                                                                                              : 0.0F;
    columns.push_back({std::string(Model::TaskList::names[t]), data::Targets::values(1, std::move(y))});
  }
  return {data::Inputs({static_cast<int>(width)}, std::move(x)), columns};
}

/// What a trial reports.
struct Reported {
  std::size_t contrasts = 0, values = 0, within = 0;
  bool a_and_b = false;  // told, by contrasts: that they help each other
  double offset = 0;     // mean of the affinities off the diagonal
  bool helped = false;   // whether that can be told from 0 by its five numbers, one a run
};

Reported trial(std::size_t number, std::size_t runs, bool same_data, bool related, double rate) {
  std::vector<double> tables, offsets;
  Reported reported;
  for (std::size_t run = 0; run < runs; ++run) {
    const std::uint64_t seed = 1000 * (number + 1) + run, of_data = same_data ? 1000 * (number + 1) : seed;
    const data::DataSet train = generated(2 * of_data, samples, related),
                        held_out = generated(2 * of_data + 1, aside, related);
    grouping::Watching<grouping::Lookahead> watch({.every = 2});
    training::AffinityProbe<Model::Scalar> probe(watch, &held_out, 256);
    Model model{{.optimizer = {.learning_rate = rate}, .seed = seed}};
    model.fit(train, {.epochs = 8, .batch_size = 128, .probes = {&probe}});
    const auto mean = watch.seen().mean();
    tables.insert(tables.end(), mean.begin(), mean.end());
    double& offset = offsets.emplace_back();
    for (std::size_t cell = 0; cell < mean.size(); ++cell)
      if (cell % (tasks + 1) != 0) offset += mean[cell] / static_cast<double>(tasks * (tasks - 1));
    if (run == 0) reported.within = grouping::relations_within_run(watch.seen().values, tasks).told();
  }
  const SampleMean offset = sample_mean(offsets);
  reported.offset = offset.value;
  reported.helped = std::abs(offset.value) > t_critical(0.025, offset.degrees) * offset.error;
  const grouping::Relations found = grouping::relations_over_runs(tables, tasks);
  reported.contrasts = found.told();
  reported.a_and_b =
      found.at(0, 1).verdict == grouping::Verdict::helps || found.at(1, 0).verdict == grouping::Verdict::helps;
  reported.values = grouping::relations_over_runs(tables, tasks, {.contrasts = false}).told();
  return reported;
}

}  // namespace

int main(int count, char** words) try {
  constexpr const char* usage =
      "usage: exchangeable [--trials N] [--runs N] [--rate R] [--same-data] [--related] [--jobs N]";
  std::size_t trials = 200, runs = 5, jobs = 2;
  double rate = 5;
  bool same_data = false, related = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    std::size_t* number = word == "--trials" ? &trials : word == "--runs" ? &runs : word == "--jobs" ? &jobs : nullptr;
    if (word == "--same-data")
      same_data = true;
    else if (word == "--rate" && i + 1 < count)
      rate = std::strtod(words[++i], nullptr);
    else if (word == "--related")
      related = true;
    else if (number != nullptr && i + 1 < count)
      *number = std::strtoul(words[++i], nullptr, 10);
    else
      fail(usage);
  }
  if (trials == 0 || runs < 2 || jobs == 0 || !(rate > 0)) fail(usage);
  std::vector<Reported> all(trials);
  {
    std::vector<std::jthread> threads;
    for (std::size_t j = 0; j < jobs; ++j)
      threads.emplace_back([&, j] {
        for (std::size_t i = j; i < trials; i += jobs) all[i] = trial(i, runs, same_data, related, rate);
      });
  }
  std::size_t contrasts = 0, values = 0, within = 0, pairs = 0, a_and_b = 0, helped = 0;
  double offset = 0;
  for (const Reported& one : all) {
    contrasts += one.contrasts > 0 ? 1 : 0, values += one.values > 0 ? 1 : 0, within += one.within > 0 ? 1 : 0;
    pairs += one.values, a_and_b += one.a_and_b ? 1 : 0, helped += one.helped ? 1 : 0;
    offset += one.offset / static_cast<double>(trials);
  }
  std::printf(
      "%zu trials of %zu runs, %zu tasks that are alike%s; mean affinity of a partner %.4f,\ntold from 0 in %zu "
      "trials\n",
      trials, runs, tasks,
      related     ? " but for a and b"
      : same_data ? ", the same samples in all runs of a trial"
                  : "",
      offset, helped);
  std::printf("trials that report a relation at a family-wise 5 %%:\n");
  std::printf("  row contrasts over runs      %4zu   (that a and b help each other: %zu)\n", contrasts, a_and_b);
  std::printf("  affinities as measured       %4zu   (%zu of %zu pairs)\n", values, pairs,
              trials * tasks * (tasks - 1));
  std::printf("  row contrasts within a run   %4zu\n", within);
  // The largest count that 200 trials at 5 % exceed in less than 3 of 100 studies.
  return trials == 200 && !same_data && !related && contrasts > 16 ? 1 : 0;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
