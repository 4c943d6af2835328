// SPDX-License-Identifier: MIT
#pragma once

#include <benchmark/benchmark.h>
#include <algorithm>
#include <chrono>
#include <mtlx/backend/pack.hpp>

namespace mtlx::bench {

/// What one core of this machine can do at most, in FLOP/s: independent multiply-adds in registers, the best of several
/// rounds, measured once in the same run as what is compared with it.
template <class T>
double peak() {
  static const double best = [] {
    using backend::Pack;
    constexpr int chains = 12, rounds = 200000;
    Pack<T> sums[chains];
    for (int i = 0; i < chains; ++i) sums[i] = Pack<T>(i);
    Pack<T> factor(0.999), term(0.001);
    double most = 0;
    for (int repeat = 0; repeat < 15; ++repeat) {
      const auto start = std::chrono::steady_clock::now();
      for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) sums[i] = fused(sums[i], factor, term);
      }
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      most = std::max(most, 2.0 * chains * rounds * Pack<T>::size / seconds.count());
    }
    for (int i = 0; i < chains; ++i) benchmark::DoNotOptimize(sums[i].v);
    return most;
  }();
  return best;
}

/// Reports `operations` floating-point operations an iteration as FLOP/s, and as a share of `threads` cores' peak.
template <class T>
void report(benchmark::State& state, double operations, int threads = 1) {
  state.counters["FLOP/s"] = benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["peak share"] =
      benchmark::Counter(operations / (threads * peak<T>()), benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace mtlx::bench
