// SPDX-License-Identifier: MIT
// The laws of nn/loss.hpp, checked for any loss:
//
//   testing::check_loss<nn::SoftmaxCrossEntropy, 10>({.target = testing::class_target})
//
// gradient   dz agrees with central differences of the sample's loss (Reference, in double), times scale.
// assign     the value and dz are the same whatever dz held.
// missing    a missing target adds nothing to value and gradient, even if it is NaN or infinite; a sample without any
//            target has the value 0 and the gradient 0, even if z is NaN.
// sample     a sample's value and dz don't depend on its neighbours.
// extremes   logits of +-1e4 give finite numbers; NaN in z makes the value NaN, in that sample only.
// backends   every backend agrees with Reference to rounding, at any width.
#pragma once

#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/nn/loss.hpp>
#include <mtlx/testing/layer_laws.hpp>
#include <mtlx/testing/targets.hpp>

namespace mtlx::testing {

/// How a loss is checked.
struct LossOptions {
  DrawTarget target = unit_target;
  std::uint64_t seed = 1;
  int samples = 37;
  double gradient_tolerance = 1e-6;
  /// Rounding allowed, in units of the scalar's epsilon times the largest number.
  double rounding = 200;
  /// Whether target i belongs to z[i] alone: NaN in z[i] must then do no harm where target i is missing.
  bool elementwise = true;
};

namespace detail {

/// A batch for a loss: z : (samples, outputs), target and present : (samples, targets).
struct LossInput {
  std::vector<double> z, target, present;
  double scale = 1;
};

struct LossOutput {
  std::vector<double> value, dz;
  bool intact = true;
};

using RunLoss = LossOutput (*)(const LossInput&, double poison);

template <class L, int Outputs, class S>
LossOutput run_loss(const LossInput& input, double poison) {
  using T = typename S::Scalar;
  constexpr std::size_t outputs = Outputs, targets = static_cast<std::size_t>(L::targets(Outputs));
  constexpr std::size_t width = static_cast<std::size_t>(S::width);
  const std::size_t samples = input.z.size() / outputs;
  LossOutput result;
  result.value.resize(samples);
  result.dz.resize(samples * outputs);
  const auto load = [&](const std::vector<double>& from, std::size_t first, std::size_t count, std::size_t features,
                        typename S::View to, bool zeros) {
    std::vector<T> rows(width * features);
    for (std::size_t i = 0; i < count * features; ++i) rows[i] = static_cast<T>(from[first * features + i]);
    S::load(rows.data(), static_cast<int>(zeros ? width : count), features, to);
  };
  for (std::size_t first = 0; first < samples; first += width) {
    const std::size_t count = std::min(width, samples - first);
    Guarded<S> z(outputs), target(targets), present(targets), dz(outputs, static_cast<T>(poison)), value(1);
    load(input.z, first, count, outputs, z.view(), false);
    load(input.target, first, count, targets, target.view(), false);
    load(input.present, first, count, targets, present.view(), true);
    S::for_each_lane([&](const typename S::Lane& lane) {
      lane.at(value.view())[0] = L::template evaluate<Outputs>(
          nn::LossSample<S>{lane.at(typename S::ConstView(z.view())), lane.at(typename S::ConstView(target.view())),
                            lane.at(typename S::ConstView(present.view())), lane.at(dz.view()),
                            typename S::Number(static_cast<T>(input.scale))});
    });
    std::vector<T> rows(count * outputs);
    S::store(dz.view(), static_cast<int>(count), outputs, rows.data());
    std::copy(rows.begin(), rows.end(), result.dz.begin() + static_cast<std::ptrdiff_t>(first * outputs));
    S::store(value.view(), static_cast<int>(count), 1, rows.data());
    std::copy_n(rows.begin(), count, result.value.begin() + static_cast<std::ptrdiff_t>(first));
    result.intact = result.intact && dz.intact() && value.intact();
  }
  return result;
}

struct LossFacts {
  int outputs = 1;
  std::size_t targets = 1;
};

struct LossOnSlice {
  RunLoss run = nullptr;
  double epsilon = 0;
  std::string name;
};

inline LossInput loss_input(const LossFacts& loss, const LossOptions& options) {
  const std::size_t samples = static_cast<std::size_t>(options.samples);
  LossInput input;
  input.z = normals(samples * static_cast<std::size_t>(loss.outputs), options.seed, 1);
  Random random(options.seed, Purpose::user, 2);
  for (std::size_t i = 0; i < samples * loss.targets; ++i) {
    input.target.push_back(options.target(random, loss.outputs));
    input.present.push_back(random.below(4) == 0 ? 0 : 1);
  }
  // The first sample has all of its targets, the second none.
  for (std::size_t i = 0; i < loss.targets; ++i) input.present[i] = 1, input.present[loss.targets + i] = 0;
  input.scale = 0.25;
  return input;
}

inline void check_loss_gradient(Report& report, const LossFacts& loss, RunLoss run, const LossOptions& options) {
  LossInput input = loss_input(loss, options);
  const LossOutput start = run(input, 0);
  const std::size_t outputs = static_cast<std::size_t>(loss.outputs);
  std::size_t kinks = 0;
  const auto places = some_of(input.z.size(), 200, options.seed);
  for (const std::size_t i : places) {
    const double number = input.z[i];
    const std::size_t sample = i / outputs;
    const double slope = derivative([&](double step) {
      input.z[i] = number + step;
      return run(input, 0).value[sample] - start.value[sample];
    });
    input.z[i] = number;
    if (is_nan(slope)) {
      ++kinks;
      continue;
    }
    report.expect(std::abs(input.scale * slope - start.dz[i]) <= options.gradient_tolerance * (1 + std::abs(slope)),
                  "gradient",
                  "sample " + std::to_string(sample) + ", at " + std::to_string(i % outputs) + ": expected " +
                      written(input.scale * slope) + ", got " + written(start.dz[i]));
  }
  report.expect(kinks * 10 <= places.size(), "gradient: too many kinks",
                "expected slopes, got none at " + std::to_string(kinks) + " of " + std::to_string(places.size()));
}

inline void check_loss_on(Report& report, const LossFacts& loss, const LossOnSlice& slice, RunLoss reference,
                          const LossOptions& options) {
  const std::size_t outputs = static_cast<std::size_t>(loss.outputs);
  const LossInput input = loss_input(loss, options);
  const std::size_t samples = input.z.size() / outputs;
  const LossOutput clean = slice.run(input, 0);
  const auto compare = [&](const std::string& law, const LossOutput& expected, const LossOutput& got) {
    report.expect_same(law + ": value", expected.value, got.value, 1);
    report.expect_same(law + ": dz", expected.dz, got.dz, outputs);
  };
  report.expect(clean.intact, "nothing beyond its place is written", "a guard was written over");
  compare("assigned, whatever dz held", clean, slice.run(input, not_a_number));
  compare("assigned, whatever dz held", clean, slice.run(input, 1e6));

  // Garbage where targets are missing, and in the z of samples that have none.
  for (const double garbage : {not_a_number, std::numeric_limits<double>::infinity(), -1e30, 1e6}) {
    LossInput spoilt = input;
    for (std::size_t s = 0; s < samples; ++s) {
      bool any = false;
      for (std::size_t t = s * loss.targets; t < (s + 1) * loss.targets; ++t) {
        any = any || input.present[t] > 0;
        if (input.present[t] > 0) continue;
        spoilt.target[t] = garbage;
        if (options.elementwise && loss.targets == outputs) spoilt.z[t] = garbage;
      }
      if (!any)
        for (std::size_t i = s * outputs; i < (s + 1) * outputs; ++i) spoilt.z[i] = garbage;
    }
    const LossOutput got = slice.run(spoilt, not_a_number);
    compare("missing targets have no influence", clean, got);
    for (std::size_t s = 0; s < samples; ++s) {
      const bool none = std::all_of(input.present.begin() + static_cast<std::ptrdiff_t>(s * loss.targets),
                                    input.present.begin() + static_cast<std::ptrdiff_t>((s + 1) * loss.targets),
                                    [](double present) { return present == 0; });
      if (!none) continue;
      double most = std::abs(got.value[s]);
      bool sound = is_finite(most);
      for (std::size_t i = s * outputs; i < (s + 1) * outputs; ++i) {
        sound = sound && is_finite(got.dz[i]);
        most = std::max(most, std::abs(got.dz[i]));
      }
      report.expect(sound && most == 0, "a sample without targets has no loss and no gradient",
                    "sample " + std::to_string(s) + ": expected 0, got " + written(sound ? most : not_a_number));
    }
  }

  // Other neighbours for every other sample.
  LossInput mixed = input;
  const std::vector<double> other = normals(input.z.size(), 77, 3);
  for (std::size_t s = 1; s < samples; s += 2) set_row(mixed.z, s, row(other, s, outputs));
  LossOutput got = slice.run(mixed, 0);
  for (std::size_t s = 1; s < samples; s += 2) {
    got.value[s] = clean.value[s];
    set_row(got.dz, s, row(clean.dz, s, outputs));
  }
  compare("a sample doesn't depend on its neighbours", clean, got);

  // Extremes.
  LossInput extreme = input;
  for (double& number : extreme.present) number = 1;
  for (std::size_t i = 0; i < extreme.z.size(); ++i) extreme.z[i] = i % 3 == 0 ? 1e4 : i % 3 == 1 ? -1e4 : extreme.z[i];
  const LossOutput far = slice.run(extreme, not_a_number);
  for (const auto* numbers : std::array<const std::vector<double>*, 2>{&far.value, &far.dz})
    for (const double number : *numbers)
      report.expect(is_finite(number), "logits of 1e4 stay finite", "expected a finite number, got " + written(number));
  const LossOutput far_reference = reference(extreme, 0);
  report.expect_near("extreme value agrees with Reference", far_reference.value, far.value,
                     options.rounding * slice.epsilon, 1);
  report.expect_near("extreme dz agrees with Reference", far_reference.dz, far.dz, options.rounding * slice.epsilon,
                     outputs);
  for (std::size_t i = 0; i < outputs; ++i) {
    LossInput broken = input;
    broken.z[i] = not_a_number;
    LossOutput expected = clean;
    expected.value[0] = not_a_number;
    report.expect_same("NaN in z makes its sample's value NaN", expected.value, slice.run(broken, 0).value, 1);
  }

  const LossOutput truth = reference(input, 0);
  report.expect_near("value agrees with Reference", truth.value, clean.value, options.rounding * slice.epsilon, 1);
  report.expect_near("dz agrees with Reference", truth.dz, clean.dz, options.rounding * slice.epsilon, outputs);
  LossInput doubled = input;
  doubled.scale = 2 * input.scale;
  LossOutput twice = slice.run(doubled, 0);
  for (double& number : twice.dz) number /= 2;
  report.expect_same("scale leaves the value alone", clean.value, twice.value, 1);
  report.expect_near("dz grows with scale", clean.dz, twice.dz, 8 * slice.epsilon, outputs);
}

template <class L, int Outputs, class B>
void add_loss_slices(std::vector<LossOnSlice>& slices) {
  using T = typename B::Scalar;
  const char* scalar = std::is_same_v<T, float> ? "float" : std::is_same_v<T, double> ? "double" : "its own number";
  const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  using Wide = typename B::template Slice<1>;
  using Narrow = typename B::template Slice<(std::size_t{1} << 20)>;
  slices.push_back({&run_loss<L, Outputs, Wide>, epsilon, slice_name<Wide>(scalar)});
  if constexpr (!std::is_same_v<Wide, Narrow>)
    slices.push_back({&run_loss<L, Outputs, Narrow>, epsilon, slice_name<Narrow>(scalar)});
}

}  // namespace detail

/// Whether a loss obeys the laws at the head of this file for heads of `Outputs` numbers: on Reference, and on
/// `Backends` (Cpu in float and in double if none are named).
template <class L, int Outputs, class... Backends>
Report check_loss(const LossOptions& options = {}) {
  if constexpr (requires { L::template check<Outputs>(); })
    if constexpr (!L::template check<Outputs>()) return Report("loss");  // a sentence of the compiler has said why
  const detail::LossFacts loss{Outputs, static_cast<std::size_t>(L::targets(Outputs))};
  std::vector<detail::LossOnSlice> slices;
  detail::add_loss_slices<L, Outputs, backend::Reference>(slices);
  if constexpr (sizeof...(Backends) == 0) {
    detail::add_loss_slices<L, Outputs, backend::Cpu<float>>(slices);
    detail::add_loss_slices<L, Outputs, backend::Cpu<double>>(slices);
  } else {
    (detail::add_loss_slices<L, Outputs, Backends>(slices), ...);
  }
  Report report("loss");
  detail::check_loss_gradient(report, loss, slices[0].run, options);
  for (const detail::LossOnSlice& slice : slices) {
    Report on("loss on " + slice.name);
    detail::check_loss_on(on, loss, slice, slices[0].run, options);
    report.merge(on);
  }
  return report;
}

}  // namespace mtlx::testing
