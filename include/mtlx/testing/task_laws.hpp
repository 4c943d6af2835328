// SPDX-License-Identifier: MIT
// The laws of nn/task.hpp, checked for any task:
//
//   testing::check_task<Classification<"left", 10, nn::LabelSmoothing<10>>>()
//
// parts       loss, metrics and outputs fit together (a sentence of the compiler if not).
// targets     the task accepts the targets that it is checked with.
// loss        the laws of losses (loss_laws.hpp), with targets that the task accepts.
// metrics     the laws of metrics (metric_laws.hpp), for each, with the same targets.
// prediction  as many answers as samples, none for none; an answer doesn't depend on its neighbours and is finite where
//             the outputs are.
#pragma once

#include <mtlx/nn/task.hpp>
#include <mtlx/testing/loss_laws.hpp>
#include <mtlx/testing/metric_laws.hpp>
#include <mtlx/testing/report.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::testing {

/// How a task is checked.
struct TaskOptions {
  /// If none is given, the first of real_target, unit_target and class_target whose draws the task accepts.
  DrawTarget target = nullptr;
  std::uint64_t seed = 1;
  /// Whether target i belongs to output i alone.
  bool elementwise = true;
};

namespace detail {

// What draws targets that the task accepts, or nullptr.
inline DrawTarget accepted_target(bool (*accepts)(float), int outputs, const TaskOptions& options) {
  const std::array<DrawTarget, 3> ours{&real_target, &unit_target, &class_target};
  const auto candidates = options.target != nullptr ? std::span(&options.target, 1) : std::span<const DrawTarget>(ours);
  for (const DrawTarget draw : candidates) {
    Random random(options.seed, Purpose::user, 5);
    bool all = true;
    for (int i = 0; i < 100; ++i) all = all && accepts(static_cast<float>(draw(random, outputs)));
    if (all) return draw;
  }
  return nullptr;
}

template <class... M>
void check_metrics(Report& report, nn::Metrics<M...>*, auto outputs, const MetricOptions& options) {
  (report.merge(testing::check_metric<M, decltype(outputs)::value>(options)), ...);
}

// The numbers of an answer, if it has them.
template <class Prediction>
std::vector<double> answers(std::vector<float> outputs) {
  const Prediction prediction(std::move(outputs));
  const auto values = prediction.values();
  return std::vector<double>(values.begin(), values.end());
}

template <class Prediction>
void check_prediction(Report& report, std::size_t outputs, std::uint64_t seed) {
  constexpr std::size_t samples = 9;
  std::vector<float> z;
  for (const double number : normals(samples * outputs, seed, 6)) z.push_back(static_cast<float>(3 * number));
  report.expect(Prediction({}).size() == 0 && Prediction(z).size() == samples, "as many answers as samples",
                "expected 0 and " + std::to_string(samples) + ", got " + std::to_string(Prediction({}).size()) +
                    " and " + std::to_string(Prediction(z).size()));
  if (!report.ok()) return;
  const std::vector<double> all = answers<Prediction>(z);
  std::vector<double> alone;
  for (std::size_t s = 0; s < samples; ++s) {
    const auto first = z.begin() + static_cast<std::ptrdiff_t>(s * outputs);
    const std::vector<double> one = answers<Prediction>({first, first + static_cast<std::ptrdiff_t>(outputs)});
    alone.insert(alone.end(), one.begin(), one.end());
  }
  report.expect_same("an answer doesn't depend on its neighbours", alone, all, all.size() / samples);
  for (const double number : all)
    report.expect(is_finite(number), "finite outputs give finite answers",
                  "expected a finite number, got " + written(number));
}

}  // namespace detail

/// Whether a task obeys the laws at the head of this file. `Backends` are those that the loss is checked on, Cpu in float
/// and in double if none are named.
template <NamedTask T, class... Backends>
[[gnu::cold]] Report check_task(const TaskOptions& options = {}) {
  Report report("task " + std::string(T::name.view()));
  if constexpr (mtlx::check_task<T>()) {
    constexpr int outputs = T::outputs;
    const DrawTarget draw =
        detail::accepted_target([](float target) -> bool { return T::accepts(target); }, outputs, options);
    report.expect(draw != nullptr, "targets",
                  "the task takes " + std::string(T::targets_are) + ", and refuses those that it is checked with");
    if (draw == nullptr) return report;
    detail::check_prediction<typename T::Prediction>(report, static_cast<std::size_t>(outputs), options.seed);
    report.merge(check_loss<typename T::Loss, outputs, Backends...>(
        {.target = draw, .seed = options.seed, .elementwise = options.elementwise}));
    detail::check_metrics(report, static_cast<nn::MetricsOf<typename T::Metric>*>(nullptr),
                          std::integral_constant<int, outputs>(),
                          {.target = draw, .seed = options.seed, .elementwise = options.elementwise});
  }
  return report;
}

}  // namespace mtlx::testing
