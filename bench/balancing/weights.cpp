// SPDX-License-Identifier: MIT
// What the weights cost once the Gram matrix is known, for 2 to 40 tasks: gradients of normal numbers in 4 m dimensions with
// a common part, lengths up to 10 times apart.
//
//   build/release/bench/bench_balancing_weights
#include <mtlx/balancing/aligned_mtl.hpp>
#include <mtlx/balancing/ca_grad.hpp>
#include <mtlx/balancing/con_fig.hpp>
#include <mtlx/balancing/dual_projection.hpp>
#include <mtlx/balancing/fair_grad.hpp>
#include <mtlx/balancing/grad_vac.hpp>
#include <mtlx/balancing/imtl_g.hpp>
#include <mtlx/balancing/mgda.hpp>
#include <mtlx/balancing/nash_mtl.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/balancing/up_grad.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <initializer_list>
#include <vector>

using namespace mtlx;

namespace {

std::vector<double> make_gram(std::size_t tasks) {
  Random random(1, Purpose::user);
  const std::size_t size = 4 * tasks;
  std::vector<double> rows(tasks * size), common(size), gram;
  for (double& number : common) number = 0.5 * random.normal();
  for (std::size_t i = 0; i < tasks; ++i) {
    const double length = std::pow(10.0, random.uniform());
    for (std::size_t p = 0; p < size; ++p) rows[i * size + p] = length * (common[p] + random.normal());
  }
  for (std::size_t i = 0; i < tasks; ++i)
    for (std::size_t j = 0; j < tasks; ++j) {
      double sum = 0;
      for (std::size_t p = 0; p < size; ++p) sum += rows[i * size + p] * rows[j * size + p];
      gram.push_back(sum);
    }
  return gram;
}

template <class P>
void weights(benchmark::State& state) {
  const auto tasks = static_cast<std::size_t>(state.range(0));
  const std::vector<double> gram = make_gram(tasks), losses(tasks, 1);
  std::vector<double> w(tasks);
  PolicyState<P> kept{};
  const P policy{};
  const balancing::Problem problem{.tasks = TaskSet::first(tasks), .losses = losses, .gram = gram};
  for (auto _ : state) {
    policy.weights(problem, kept, w);
    benchmark::DoNotOptimize(w.data());
  }
}

template <class... P>
bool add(std::initializer_list<const char*> names) {
  const char* const* name = names.begin();
  (benchmark::RegisterBenchmark(*name++, weights<P>)->Arg(2)->Arg(9)->Arg(16)->Arg(40), ...);
  return true;
}

using namespace balancing;
const bool added =
    add<PcGrad, GradVac, Mgda, UpGrad, DualProjection, CaGrad, ImtlG, AlignedMtl, ConFig, NashMtl, FairGrad>(
        {"PcGrad", "GradVac", "Mgda", "UpGrad", "DualProjection", "CaGrad", "ImtlG", "AlignedMtl", "ConFig", "NashMtl",
         "FairGrad"});

}  // namespace
