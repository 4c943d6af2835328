// SPDX-License-Identifier: MIT
// The laws of nn/metric.hpp, checked for any metric:
//
//   testing::check_metric<nn::MacroF1, 10>({.target = testing::class_target})
//
// named     the metric has a name, takes at least one target a sample, and its Value holds the number it is given.
// empty     the value is NaN before the first sample, and after samples of which no target is present.
// finite    finite outputs give a finite value.
// order     the order of the samples doesn't matter, but for rounding. (A metric of sequences gets each as one.)
// missing   a missing target doesn't count, whatever stands there, and neither does its sample's output where each target
//           has its own or none of the sample's is present.
// own       a copy goes its own way, another metric knows nothing of this one, and asking for the value changes nothing.
// NaN       a sample whose outputs are NaN makes the value NaN, or no better than without the sample. Infinite outputs
//           and a NaN among others are taken.
#pragma once

#include <mtlx/core/random.hpp>
#include <mtlx/nn/metric.hpp>
#include <mtlx/testing/report.hpp>
#include <mtlx/testing/targets.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtlx::testing {

/// How a metric is checked.
struct MetricOptions {
  DrawTarget target = unit_target;
  std::uint64_t seed = 1;
  int samples = 61;
  /// Between orders of the samples, relative to the value.
  double rounding = 1e-9;
  /// Whether target i belongs to z[i] alone: z[i] must then do no harm where target i is missing.
  bool elementwise = true;
};

namespace detail {

/// A batch for a metric: z : (samples, outputs), target and present : (samples, targets).
struct MetricInput {
  std::size_t outputs, targets;
  std::vector<float> z, target;
  std::vector<unsigned char> present;
};

struct MetricOutput {
  double value = 0;
  double again = 0;  ///< asked a second time
  double half = 0;   ///< after half of the samples
  double copy = 0;   ///< the same, of a copy made then and asked at the end
  double third = 0;  ///< another metric's, which was given the first third on the way
};

using RunMetric = MetricOutput (*)(const MetricInput&, std::span<const std::size_t> order);

template <class M>
MetricOutput run_metric(const MetricInput& input, std::span<const std::size_t> order) {
  const auto add = [&](M& metric, std::size_t s) {
    if constexpr (requires { metric.begin_sequence(); }) metric.begin_sequence();
    metric.add(std::span(input.z).subspan(s * input.outputs, input.outputs),
               std::span(input.target).subspan(s * input.targets, input.targets),
               std::span(input.present).subspan(s * input.targets, input.targets));
  };
  M metric, other;
  for (std::size_t i = 0; i < order.size() / 2; ++i) add(metric, order[i]);
  MetricOutput output;
  output.half = metric.value();
  for (std::size_t i = 0; i < order.size() / 3; ++i) add(other, order[i]);
  const M copy = metric;
  for (std::size_t i = order.size() / 2; i < order.size(); ++i) add(metric, order[i]);
  output.value = metric.value();
  output.again = metric.value();
  output.copy = copy.value();
  output.third = other.value();
  return output;
}

struct MetricFacts {
  std::string_view name;
  bool higher_is_better = true;
  std::size_t outputs = 1, targets = 1;
};

inline MetricInput metric_input(const MetricFacts& metric, const MetricOptions& options) {
  const auto samples = static_cast<std::size_t>(options.samples);
  MetricInput input{metric.outputs, metric.targets, {}, {}, {}};
  Random random(options.seed, Purpose::user, 3);
  for (std::size_t i = 0; i < samples * metric.outputs; ++i) input.z.push_back(static_cast<float>(random.normal()));
  for (std::size_t i = 0; i < samples * metric.targets; ++i) {
    input.target.push_back(static_cast<float>(options.target(random, static_cast<int>(metric.outputs))));
    input.present.push_back(random.below(4) == 0 ? 0 : 1);
  }
  // The first sample has all of its targets, the second none.
  for (std::size_t i = 0; i < metric.targets; ++i) input.present[i] = 1, input.present[metric.targets + i] = 0;
  return input;
}

// Numbers that must agree to rounding.
inline void expect_close(Report& report, std::string_view law, double expected, double got, double rounding) {
  const bool close = is_finite(expected) && is_finite(got)
                         ? std::abs(expected - got) <= rounding * std::max(1.0, std::abs(expected))
                         : same(expected, got);
  report.expect(close, law, "expected " + written(expected) + ", got " + written(got));
}

[[gnu::cold]] inline void check_metric(Report& report, const MetricFacts& metric, RunMetric run,
                                       const MetricOptions& options) {
  const MetricInput input = metric_input(metric, options);
  const std::size_t samples = input.z.size() / metric.outputs;
  std::vector<std::size_t> order(samples);
  std::iota(order.begin(), order.end(), std::size_t{0});

  const auto expect_nan = [&](std::string_view law, double got) {
    report.expect(is_nan(got), law, "expected NaN, got " + written(got));
  };
  expect_nan("without a sample the value is NaN", run(input, {}).value);
  MetricInput nothing = input;
  for (unsigned char& present : nothing.present) present = 0;
  expect_nan("without a present target the value is NaN", run(nothing, order).value);

  const MetricOutput clean = run(input, order);
  report.expect(is_finite(clean.value), "finite outputs give a finite value",
                "expected a finite number, got " + written(clean.value));
  expect_close(report, "asking for the value changes nothing", clean.value, clean.again, 0);
  expect_close(report, "a copy goes its own way", clean.half, clean.copy, 0);
  const MetricOutput third = run(input, std::span(order).first(samples / 3));
  expect_close(report, "another metric knows nothing of this one", third.value, clean.third, 0);

  Random random(options.seed, Purpose::user, 4);
  for (int turn = 0; turn < 8; ++turn) {
    std::vector<std::size_t> other = order;
    if (turn == 0) std::reverse(other.begin(), other.end());
    for (std::size_t i = other.size(); turn > 0 && i > 1; --i)
      std::swap(other[i - 1], other[random.below(static_cast<std::uint32_t>(i))]);
    expect_close(report, "the order of the samples doesn't matter", clean.value, run(input, other).value,
                 options.rounding);
  }

  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float no_number = std::numeric_limits<float>::quiet_NaN();
  for (const float garbage : {no_number, infinity, -infinity, -1e30F, 0.0F, 1.0F}) {
    MetricInput spoilt = input;
    for (std::size_t s = 0; s < samples; ++s) {
      bool any = false;
      for (std::size_t t = s * metric.targets; t < (s + 1) * metric.targets; ++t) {
        any = any || input.present[t] != 0;
        if (input.present[t] != 0) continue;
        spoilt.target[t] = garbage;
        if (options.elementwise && metric.targets == metric.outputs) spoilt.z[t] = garbage;
      }
      if (!any)
        std::fill_n(spoilt.z.begin() + static_cast<std::ptrdiff_t>(s * metric.outputs), metric.outputs, garbage);
    }
    expect_close(report, "missing targets don't count", clean.value, run(spoilt, order).value, 0);
  }

  // A sample at a time: all of its outputs NaN, against the same without it.
  for (std::size_t s = 0; s < samples; s += 7) {
    MetricInput broken = input;
    for (std::size_t t = s * metric.targets; t < (s + 1) * metric.targets; ++t) broken.present[t] = 1;
    MetricInput without = broken;
    std::fill_n(broken.z.begin() + static_cast<std::ptrdiff_t>(s * metric.outputs), metric.outputs, no_number);
    std::fill_n(without.present.begin() + static_cast<std::ptrdiff_t>(s * metric.targets), metric.targets,
                static_cast<unsigned char>(0));
    const double got = run(broken, order).value, base = run(without, order).value;
    const double gain = metric.higher_is_better ? got - base : base - got;
    report.expect(is_nan(got) || gain <= options.rounding, "NaN is not a right answer",
                  "sample " + std::to_string(s) + ": expected NaN or nothing better than " + written(base) + ", got " +
                      written(got));
    // No law but that they are taken.
    broken.z[s * metric.outputs] = infinity;
    run(broken, order);
    broken.z[s * metric.outputs] = 0;
    run(broken, order);
  }
}

}  // namespace detail

/// Whether a metric obeys the laws at the head of this file for heads of `Outputs` numbers.
template <nn::Metric M, int Outputs>
[[gnu::cold]] Report check_metric(const MetricOptions& options = {}) {
  const detail::MetricFacts metric{M::name, M::higher_is_better, static_cast<std::size_t>(Outputs),
                                   static_cast<std::size_t>(M::targets(Outputs))};
  Report report("metric " + std::string(M::name));
  const typename M::Value value{0.25};
  const auto& [number] = value;
  report.expect(!metric.name.empty() && M::targets(Outputs) > 0 && number == 0.25, "named",
                "expected a name, a target or more a sample and a Value that holds its number");
  if (report.ok()) detail::check_metric(report, metric, &detail::run_metric<M>, options);
  return report;
}

}  // namespace mtlx::testing
