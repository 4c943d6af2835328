// SPDX-License-Identifier: MIT
// usage: statistics_sim [REPEATS]
//
// How often do the statistics of grouping claim what isn't there? On generated numbers; the figures of
// docs/grouping_statistics.md. 2000 repeats if none are given. Always the same numbers for the same repeats.
//
//   g++ -std=c++20 -O3 -DNDEBUG -Iinclude bench/grouping/statistics_sim.cpp -o build/statistics_sim && build/statistics_sim
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mtlx/core/random.hpp>
#include <mtlx/core/sample_mean.hpp>
#include <mtlx/core/significance.hpp>
#include <mtlx/grouping/statistics/intervals.hpp>
#include <mtlx/grouping/statistics/sequential.hpp>
#include <span>
#include <vector>

using namespace mtlx;
using namespace mtlx::grouping;

namespace {

double share(std::size_t count, std::size_t of) { return 100 * static_cast<double>(count) / static_cast<double>(of); }

// Student's t with 5 degrees of freedom.
double heavy(Random& random) {
  double squares = 0;
  for (int i = 0; i < 5; ++i) {
    const double z = random.normal();
    squares += z * z;
  }
  return random.normal() / std::sqrt(squares / 5);
}

// Whether a two-sided t-test of the mean against 0 rejects at 5 %.
bool rejects(std::span<const double> x) {
  const SampleMean mean = sample_mean(x);
  return mean.has_spread() && 2 * t_upper_tail(std::abs(mean.value / mean.error), mean.degrees) <= 0.05;
}

// x_t = phi x_{t-1} + e_t, from its stationary distribution, about a level.
std::vector<double> series(Random& random, std::size_t looks, double phi, double level = 0) {
  std::vector<double> x(looks);
  double state = random.normal() / std::sqrt(1 - phi * phi);
  for (double& number : x) {
    state = phi * state + random.normal();
    number = level + state;
  }
  return x;
}

void exchangeable(std::size_t repeats) {
  std::printf(
      "Exchangeable tasks, 6 of them: share of studies with a claim, Holm at 5 %% over 30 pairs (%zu studies)\n",
      repeats);
  for (const std::size_t runs : {std::size_t{3}, std::size_t{5}, std::size_t{10}}) {
    Random random(1, Purpose::user, runs);
    std::size_t contrasts = 0, values = 0;
    for (std::size_t n = 0; n < repeats; ++n) {
      std::vector<double> tables;
      for (std::size_t r = 0; r < runs; ++r) {
        double rows[6], columns[6];
        for (std::size_t t = 0; t < 6; ++t) rows[t] = random.normal(), columns[t] = random.normal();
        for (std::size_t cell = 0; cell < 36; ++cell)
          tables.push_back(-3 + 0.3 * rows[cell / 6] + 0.5 * columns[cell % 6] + 0.7 * heavy(random));
      }
      contrasts += relations_over_runs(tables, 6).told() > 0 ? 1 : 0;
      values += relations_over_runs(tables, 6, {.contrasts = false}).told() > 0 ? 1 : 0;
    }
    std::printf("  %2zu runs: row contrasts %.1f %%, values as measured %.1f %%\n", runs, share(contrasts, repeats),
                share(values, repeats));
  }
}

void within_run(std::size_t repeats) {
  std::printf("Within one run, 300 looks, true mean 0: rejections of one test at a nominal 5 %% (%zu series)\n",
              repeats);
  for (const double phi : {0.0, 0.5, 0.9, 0.97}) {
    Random random(2, Purpose::user, static_cast<std::uint64_t>(100 * phi));
    std::size_t as_independent = 0, batches = 0, warned = 0;
    for (std::size_t n = 0; n < repeats; ++n) {
      const auto x = series(random, 300, phi);
      as_independent += rejects(x) ? 1 : 0;
      batches += rejects(batch_means(x, 8)) ? 1 : 0;
      warned += 300.0 / 8 < 2 * autocorrelation_time(x) ? 1 : 0;
    }
    std::printf(
        "  phi %.2f (time %4.1f): as if independent %4.1f %%, 8 batch means %4.1f %%, blocks called too short %5.1f "
        "%%\n",
        phi, (1 + phi) / (1 - phi), share(as_independent, repeats), share(batches, repeats), share(warned, repeats));
  }
}

void over_runs(std::size_t repeats) {
  std::printf(
      "Each run has a mean of its own, 0 on average, with a spread of 0.3 of a look's; phi 0.5, 300 looks (%zu)\n",
      repeats);
  Random random(3, Purpose::user);
  std::size_t within = 0, over = 0;
  for (std::size_t n = 0; n < repeats; ++n) {
    std::vector<double> means;
    for (std::size_t run = 0; run < 5; ++run) {
      const auto x = series(random, 300, 0.5, 0.3 * random.normal());
      if (run == 0) within += rejects(batch_means(x, 8)) ? 1 : 0;
      means.push_back(sample_mean(x).value);
    }
    over += rejects(means) ? 1 : 0;
  }
  std::printf("  8 batch means of one run %.1f %%, t-test over 5 runs %.1f %%\n", share(within, repeats),
              share(over, repeats));
}

void sequential(std::size_t repeats) {
  std::printf(
      "E-process, lambda 1/2, alpha 5 %%, looked at after each of 200 blocks of 16 looks, phi 0.7 (%zu series)\n",
      repeats);
  for (const double shift : {0.0, 0.1, 0.2, 0.3}) {
    Random random(4, Purpose::user, static_cast<std::uint64_t>(100 * shift));
    std::size_t alarms = 0, t_tests = 0;
    double blocks = 0;
    for (std::size_t n = 0; n < repeats; ++n) {
      EProcess process;
      std::vector<double> seen;
      bool alarm = false, t_test = false;
      double x = 0;
      for (std::size_t b = 0; b < 200; ++b) {
        double sum = 0;
        for (int i = 0; i < 16; ++i) {
          x = 0.7 * x + 2 * random.uniform() - 1;
          sum += x / 16;
        }
        seen.push_back(shift + sum);
        if (!alarm && process.add(shift + sum)) {
          alarm = true;
          blocks += static_cast<double>(b) + 1;
        }
        t_test = t_test || (b >= 4 && rejects(seen));
      }
      alarms += alarm ? 1 : 0;
      t_tests += t_test ? 1 : 0;
    }
    std::printf("  true difference %.1f of the bound: told %5.1f %%", shift, share(alarms, repeats));
    if (alarms > 0) std::printf(", after %.0f blocks", blocks / static_cast<double>(alarms));
    std::printf("; a t-test after each block: %5.1f %%\n", share(t_tests, repeats));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const long asked = argc > 1 ? std::atol(argv[1]) : 2000;
  const auto repeats = static_cast<std::size_t>(asked > 0 ? asked : 20);
  exchangeable(repeats);
  within_run(repeats);
  over_runs(repeats);
  sequential(repeats / 4 + 1);
}
