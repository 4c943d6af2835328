// SPDX-License-Identifier: MIT
// What the search of groups costs, and how near its bounds are. Tables of pairs are normal numbers; `planted` has groups of
// tasks that go together by 1.5 more. Counters: tasks' mean score, its upper bound, whether it is proved.
//
//   build/release/bench/bench_grouping_search
#include <mtlx/core/random.hpp>
#include <mtlx/grouping/search.hpp>

#include <benchmark/benchmark.h>

#include <vector>

using namespace mtlx;
using namespace mtlx::grouping;

namespace {

std::vector<double> make_table(std::size_t tasks, std::size_t planted) {
  Random random(1, Purpose::user, tasks);
  std::vector<double> table;
  for (std::size_t i = 0; i < tasks; ++i)
    for (std::size_t j = 0; j < tasks; ++j)
      table.push_back(random.normal() + (planted > 0 && i % planted == j % planted ? 1.5 : 0));
  return table;
}

void report(benchmark::State& state, const GroupSearch& found) {
  state.counters["value"] = found.value;
  state.counters["bound"] = found.bound;
  state.counters["optimal"] = found.optimal;
}

// Tasks, groups, planted groups (0: none).
void pairs(benchmark::State& state) {
  const auto tasks = static_cast<std::size_t>(state.range(0)), groups = static_cast<std::size_t>(state.range(1));
  const std::vector<double> table = make_table(tasks, static_cast<std::size_t>(state.range(2)));
  GroupSearch found;
  for (auto _ : state) found = best_groups(table, tasks, groups);
  report(state, found);
}

void function(benchmark::State& state) {
  const auto tasks = static_cast<std::size_t>(state.range(0)), groups = static_cast<std::size_t>(state.range(1));
  const PairScore score(make_table(tasks, 0), tasks);
  GroupSearch found;
  for (auto _ : state) found = best_groups(score, tasks, groups);
  report(state, found);
}

// Tasks, budget: full networks for 2, and of half the size for 1, which score a little less.
void budget(benchmark::State& state) {
  const auto tasks = static_cast<std::size_t>(state.range(0));
  const std::vector<double> table = make_table(tasks, 0);
  std::vector<Candidate> list = candidates(PairScore(table, tasks), tasks, [](TaskSet) { return std::size_t{2}; });
  for (std::size_t k = 0, full = list.size(); k < full; ++k) {
    Candidate half = list[k];
    for (double& score : half.scores) score -= 0.25;
    half.cost = 1;
    list.push_back(half);
  }
  GroupSearch found;
  for (auto _ : state) found = best_groups(list, tasks, tasks, {.budget = static_cast<std::size_t>(state.range(1))});
  report(state, found);
}

BENCHMARK(pairs)->Unit(benchmark::kMillisecond)->Args({9, 4, 0})->Args({16, 5, 0})->Args({20, 5, 0});
BENCHMARK(pairs)->Unit(benchmark::kMillisecond)->Args({40, 5, 0})->Args({40, 5, 5})->Args({64, 8, 8});
BENCHMARK(function)->Unit(benchmark::kMillisecond)->Args({9, 4})->Args({12, 4})->Args({16, 5});
BENCHMARK(budget)->Unit(benchmark::kMillisecond)->Args({5, 4})->Args({9, 5})->Args({12, 5});

}  // namespace
