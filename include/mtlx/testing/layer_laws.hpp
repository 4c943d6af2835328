// SPDX-License-Identifier: MIT
// The laws of nn/layer.hpp, checked for any layer:
//
//   const auto report = testing::check_layer<MyLayer, Shape{3, 8, 8}>();
//   if (!report.ok()) std::puts(report.text().c_str());
//
// gradient     with phi = <dy, forward(p, x)>, dx and dp agree with central differences of phi (Reference, in double).
// assign, add  y and dx are the same whatever they, `saved` and `scratch` held before; dp is added to.
// promises     in_place: y may lie on x and dx on dy. Without reads_output, backward doesn't read y. Nothing is written
//              beyond the places that the layer declares. Without NeedInput, dp is the same and dx is not touched.
// sample       a sample's y and dx don't depend on its neighbours or its place in the slice.
// NaN          where x is NaN, each y that depends on it is NaN, and no other sample's.
// backends     every backend agrees with Reference to rounding, at any width, with the same random draws.
// parameters   offsets follow each other and end at parameter_count.
#pragma once

#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/nn/layer.hpp>
#include <mtlx/testing/report.hpp>

#include <limits>
#include <type_traits>

namespace mtlx::testing {

/// How a layer is checked.
struct LayerOptions {
  std::uint64_t seed = 1;
  /// Samples of the batch that backends are compared on; not a multiple of any slice's width, to have padding too.
  int samples = 37;
  /// Coordinates of x, and of p, whose derivative is compared with finite differences.
  std::size_t coordinates = 150;
  double gradient_tolerance = 1e-6;
  /// Rounding allowed, in units of the scalar's epsilon times the largest number.
  double rounding = 2000;
  /// Share of the coordinates that may be left out for lying at a kink.
  double kinks = 0.1;
  /// Whether the law about NaN is the layer's.
  bool keeps_nan = true;
};

namespace detail {

/// Standard normal numbers.
inline std::vector<double> normals(std::size_t count, std::uint64_t seed, std::uint64_t stream) {
  Random random(seed, Purpose::user, stream);
  std::vector<double> numbers(count);
  for (double& number : numbers) number = random.normal();
  return numbers;
}

/// Up to `most` of the numbers below `count`, in random order.
inline std::vector<std::size_t> some_of(std::size_t count, std::size_t most, std::uint64_t seed) {
  std::vector<std::size_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = i;
  Random(seed, Purpose::user, 100).shuffle(std::span(all));
  all.resize(std::min(count, most));
  return all;
}

/// Numbers for a slice with a guard behind them that nobody may write to.
template <class S>
class Guarded {
 public:
  using T = typename S::Scalar;

  explicit Guarded(std::size_t features, T content = T(0))
      : inside_(features * static_cast<std::size_t>(S::width)), numbers_(inside_ + guard) {
    std::fill_n(numbers_.data(), inside_, content);
    std::fill_n(numbers_.data() + inside_, guard, mark);
  }
  void fill(T content) { std::fill_n(numbers_.data(), inside_, content); }
  typename S::View view() { return {numbers_.data()}; }
  T* data() { return numbers_.data(); }
  bool intact() const {
    return std::all_of(numbers_.data() + inside_, numbers_.data() + inside_ + guard, [](T x) { return x == mark; });
  }
  bool holds(T content) const {
    return std::all_of(numbers_.data(), numbers_.data() + inside_,
                       [&](T x) { return same(double(x), double(content)); });
  }

 private:
  static constexpr std::size_t guard = 64;
  static constexpr T mark = T(-12345.5);
  std::size_t inside_;
  Buffer<T> numbers_;
};

/// What goes into a layer, in double and sample by sample.
struct LayerInput {
  std::vector<double> x, dy, parameters;  // x : (samples, in), dy : (samples, out)
  bool training = false;
};

/// What comes out of it.
struct LayerOutput {
  std::vector<double> y, dx, dparameters;
  bool intact = true;     // the guards are whole, and dx if it was not asked for
  bool unchanged = true;  // x, dy and p are what they were
};

/// Liberties that a caller may take.
struct LayerCall {
  double poison = 0;       // in everything that is to be assigned
  double dparameters = 0;  // what dp holds at first
  bool in_place = false;   // y on x, dx on dy
  bool forget = false;     // y and x are overwritten before backward where the layer doesn't read them
  bool need_input = true;
};

/// Runs a batch through a layer's forward and backward pass, slice by slice, as a training loop does.
template <nn::Layer L, Shape In, class S>
class LayerRun {
 public:
  using T = typename S::Scalar;
  static constexpr std::size_t in = In.size(), out = L::output(In).size();
  static constexpr std::size_t parameters = nn::parameter_count<L>(In);
  static constexpr std::size_t width = static_cast<std::size_t>(S::width);

  static LayerOutput run(const LayerInput& input, const LayerCall& call = {}) {
    const std::size_t samples = input.x.size() / in;
    LayerOutput result;
    result.y.resize(samples * out);
    result.dx.resize(samples * in);
    const T poison = static_cast<T>(call.poison);
    const T fresh = static_cast<T>(call.dparameters);
    std::vector<T> p(input.parameters.begin(), input.parameters.end());
    p.resize(parameters + 1);
    const std::vector<T> p_before = p;
    std::vector<T> dp(parameters + guard, fresh);
    for (std::size_t first = 0; first < samples; first += width) {
      const std::size_t count = std::min(width, samples - first);
      Guarded<S> x(in), dy(out), y(out, poison), dx(in, poison), saved(nn::saved<L>(In), poison),
          scratch(nn::scratch<L>(In), poison);
      load(input.x, first, count, in, x.view(), false);
      load(input.dy, first, count, out, dy.view(), true);
      const std::vector<T> dy_before(dy.data(), dy.data() + out * width);
      const std::vector<T> x_before(x.data(), x.data() + in * width);
      const typename S::View y_place = call.in_place ? x.view() : y.view();
      const typename S::View dx_place = call.in_place ? dy.view() : dx.view();
      const backend::Draws draws{{7, 8}, 9, 10, static_cast<std::uint32_t>(first)};
      nn::forward<L, In, S>(nn::Forward<S>{p.data(), x.view(), y_place, saved.view(), draws, input.training});
      store(y_place, first, count, out, result.y);
      if (!call.in_place) result.unchanged = result.unchanged && held(x, x_before);
      if (call.forget && !nn::reads_output<L>) S::fill(y_place, out, poison);
      if (call.forget && nn::in_place<L> && !call.in_place) x.fill(poison);
      const nn::Backward<S> back{p.data(), x.view(),  y_place,        saved.view(), dy.view(),
                                 dx_place, dp.data(), scratch.view(), draws,        input.training};
      if (call.need_input) {
        nn::backward<L, In, true, S>(back);
        store(dx_place, first, count, in, result.dx);
      } else {
        nn::backward<L, In, false, S>(back);
        result.intact = result.intact && dx.holds(poison);
      }
      if (!call.in_place) result.unchanged = result.unchanged && held(dy, dy_before);
      for (const Guarded<S>* place : std::array<const Guarded<S>*, 6>{&x, &dy, &y, &dx, &saved, &scratch})
        result.intact = result.intact && place->intact();
    }
    result.unchanged = result.unchanged && p == p_before;
    result.dparameters.assign(dp.begin(), dp.begin() + parameters);
    result.intact = result.intact && std::all_of(dp.begin() + parameters, dp.end(), [&](T t) { return t == fresh; });
    return result;
  }

 private:
  static constexpr std::ptrdiff_t guard = 16;

  static bool held(Guarded<S>& place, const std::vector<T>& before) {
    return std::equal(before.begin(), before.end(), place.data(), [](T a, T b) { return same(double(a), double(b)); });
  }
  static void load(const std::vector<double>& from, std::size_t first, std::size_t count, std::size_t features,
                   typename S::View to, bool zeros) {
    // Samples beyond the batch repeat the last one; their dy is 0, as a loss makes it.
    std::vector<T> rows(width * features);
    std::transform(from.begin() + static_cast<std::ptrdiff_t>(first * features),
                   from.begin() + static_cast<std::ptrdiff_t>((first + count) * features), rows.begin(),
                   [](double number) { return static_cast<T>(number); });
    S::load(rows.data(), static_cast<int>(zeros ? width : count), features, to);
  }
  static void store(typename S::ConstView from, std::size_t first, std::size_t count, std::size_t features,
                    std::vector<double>& to) {
    std::vector<T> rows(count * features);
    S::store(from, static_cast<int>(count), features, rows.data());
    std::copy(rows.begin(), rows.end(), to.begin() + static_cast<std::ptrdiff_t>(first * features));
  }
};

using RunLayer = LayerOutput (*)(const LayerInput&, const LayerCall&);

/// What the laws need to know of a layer. They see it as a function: one copy of them serves all layers.
struct LayerFacts {
  std::string name;
  std::size_t in = 0, out = 0, parameters = 0;
  bool in_place = false;
  std::vector<double> values;  // of the parameters
};

/// A layer on one kind of slice.
struct LayerOnSlice {
  RunLayer run = nullptr;
  std::size_t width = 1;
  double epsilon = 0;  // of the scalar
  std::string name;
};

inline std::vector<double> row(const std::vector<double>& numbers, std::size_t row, std::size_t size) {
  const auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(row * size);
  return {begin, begin + static_cast<std::ptrdiff_t>(size)};
}
inline void set_row(std::vector<double>& numbers, std::size_t row, const std::vector<double>& from) {
  std::copy(from.begin(), from.end(), numbers.begin() + static_cast<std::ptrdiff_t>(row * from.size()));
}
inline double inner_product(const std::vector<double>& a, const std::vector<double>& b, const std::vector<double>& c) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * (b[i] - c[i]);
  return total;
}
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The derivative of `difference` (step -> phi(at step) - phi(at 0)) by finite differences; NaN at a kink.
template <class Difference>
double derivative(Difference difference) {
  // Where the slopes to the left and to the right differ, a kink may lie within the step: try a smaller one. The error
  // of the central difference is of the order of step², that of rounding 1e-16 / step.
  for (const double step : {1e-5, 1e-6, 1e-7}) {
    const double right = difference(step) / step, left = -difference(-step) / step;
    if (std::abs(right - left) <= 500 * step * (1 + std::abs(right) + std::abs(left))) return (right + left) / 2;
  }
  return not_a_number;
}

inline void check_gradient(Report& report, const LayerFacts& layer, RunLayer run, const LayerOptions& options,
                           bool training) {
  constexpr std::size_t samples = 3;
  LayerInput input{normals(samples * layer.in, options.seed, 1), normals(samples * layer.out, options.seed, 2),
                   layer.values, training};
  const LayerOutput start = run(input, {});
  const std::string mode = training ? " (training)" : " (evaluating)";
  const auto check = [&](const char* law, std::vector<double>& numbers, const std::vector<double>& gradient) {
    std::size_t kinks = 0;
    const auto places = some_of(numbers.size(), options.coordinates, options.seed);
    for (const std::size_t i : places) {
      const double number = numbers[i];
      const double slope = derivative([&](double step) {
        numbers[i] = number + step;
        return inner_product(input.dy, run(input, {}).y, start.y);
      });
      numbers[i] = number;
      if (is_nan(slope)) {
        ++kinks;
        continue;
      }
      const double tolerance = options.gradient_tolerance * (1 + std::abs(slope));
      report.expect(std::abs(slope - gradient[i]) <= tolerance, law + mode,
                    "at " + std::to_string(i) + ": expected " + written(slope) + ", got " + written(gradient[i]));
    }
    report.expect(static_cast<double>(kinks) <= options.kinks * static_cast<double>(places.size()),
                  std::string(law) + ": too many kinks" + mode,
                  "expected slopes, got none at " + std::to_string(kinks) + " of " + std::to_string(places.size()));
  };
  check("gradient of x", input.x, start.dx);
  if (layer.parameters > 0) check("gradient of the parameters", input.parameters, start.dparameters);
}

inline void check_poison(Report& report, const LayerFacts& layer, const LayerOnSlice& slice, const LayerInput& input,
                         const LayerOutput& clean) {
  report.expect(clean.intact, "nothing beyond its place is written", "a guard was written over");
  report.expect(clean.unchanged, "x, dy and parameters are left alone", "they changed");
  const auto compare = [&](const LayerOutput& got, const std::string& after) {
    report.expect_same("y is assigned" + after, clean.y, got.y, layer.out);
    report.expect_same("dx is assigned" + after, clean.dx, got.dx, layer.in);
    report.expect_same("dp is the same" + after, clean.dparameters, got.dparameters);
  };
  compare(slice.run(input, {.poison = not_a_number}), ", whatever the places held");
  compare(slice.run(input, {.poison = 1e6}), ", whatever the places held");
  compare(slice.run(input, {.poison = not_a_number, .forget = true}), ", and backward reads only what it declares");
  const LayerOutput blind = slice.run(input, {.poison = 1e6, .need_input = false});
  report.expect(blind.intact, "dx is not touched where nobody needs it", "it was written to");
  // Another instantiation, in which the compiler may fuse other products and sums.
  report.expect_near("dp is the same where nobody needs dx", clean.dparameters, blind.dparameters, 64 * slice.epsilon);
  if (layer.in_place) {
    const LayerOutput got = slice.run(input, {.in_place = true});
    report.expect_same("in place: y on x", clean.y, got.y, layer.out);
    report.expect_same("in place: dx on dy", clean.dx, got.dx, layer.in);
    report.expect_same("in place: dp", clean.dparameters, got.dparameters);
  }
  constexpr double start = 3;
  std::vector<double> added = slice.run(input, {.dparameters = start}).dparameters;
  std::vector<double> expected = clean.dparameters;
  for (double& number : expected) number += start;
  report.expect_near("dp is added to", expected, added, 64 * slice.epsilon * static_cast<double>(input.x.size()));
}

inline void check_samples(Report& report, const LayerFacts& layer, const LayerOnSlice& slice, LayerInput input,
                          const LayerOutput& clean) {
  const std::size_t width = slice.width;
  if (width == 1) return;
  // Every other sample with other neighbours, in its place.
  const LayerInput before = input;
  const LayerInput other{normals(input.x.size(), 77, 3), normals(input.dy.size(), 77, 4), {}, false};
  for (std::size_t s = 1; s < input.x.size() / layer.in; s += 2) {
    set_row(input.x, s, row(other.x, s, layer.in));
    set_row(input.dy, s, row(other.dy, s, layer.out));
  }
  LayerOutput got = slice.run(input, {});
  for (std::size_t s = 1; s < input.x.size() / layer.in; s += 2) {
    set_row(got.y, s, row(clean.y, s, layer.out));
    set_row(got.dx, s, row(clean.dx, s, layer.in));
  }
  report.expect_same("a sample's y doesn't depend on its neighbours", clean.y, got.y, layer.out);
  report.expect_same("a sample's dx doesn't depend on its neighbours", clean.dx, got.dx, layer.in);
  if (input.training) return;  // draws belong to a place in the batch
  // Every sample elsewhere: the first at the end.
  const std::size_t samples = before.x.size() / layer.in;
  LayerInput turned = before;
  for (std::size_t s = 0; s < samples; ++s) {
    set_row(turned.x, (s + samples - 1) % samples, row(before.x, s, layer.in));
    set_row(turned.dy, (s + samples - 1) % samples, row(before.dy, s, layer.out));
  }
  const LayerOutput moved = slice.run(turned, {});
  LayerOutput back = moved;
  for (std::size_t s = 0; s < samples; ++s) {
    set_row(back.y, s, row(moved.y, (s + samples - 1) % samples, layer.out));
    set_row(back.dx, s, row(moved.dx, (s + samples - 1) % samples, layer.in));
  }
  report.expect_same("a sample's y doesn't depend on its place", clean.y, back.y, layer.out);
  report.expect_same("a sample's dx doesn't depend on its place", clean.dx, back.dx, layer.in);
}

inline void check_nan(Report& report, const LayerFacts& layer, const LayerOnSlice& slice, const LayerInput& input,
                      const LayerOutput& clean) {
  const std::size_t samples = input.x.size() / layer.in;
  const auto with = [&](std::size_t sample, std::size_t i, double number) {
    LayerInput changed = input;
    changed.x[sample * layer.in + i] = number;
    return slice.run(changed, {}).y;
  };
  for (const std::size_t i : some_of(layer.in, 6, 5)) {
    const std::size_t sample = i % samples;
    const std::vector<double> low = with(sample, i, -1e3), high = with(sample, i, 1e3);
    std::vector<double> expected = clean.y;
    for (std::size_t o = sample * layer.out; o < (sample + 1) * layer.out; ++o)
      if (!same(low[o], clean.y[o]) || !same(high[o], clean.y[o])) expected[o] = not_a_number;
    const std::vector<double> got = with(sample, i, not_a_number);
    // More NaN than expected in the sample itself is no mistake: 0 * NaN is NaN.
    for (std::size_t o = sample * layer.out; o < (sample + 1) * layer.out; ++o)
      if (is_nan(got[o])) expected[o] = not_a_number;
    report.expect_same("NaN in x[" + std::to_string(i) + "] comes out, in its sample only", expected, got, layer.out);
  }
}

/// All laws but those of types. `slices[0]` is Reference's.
inline Report check_layer(const LayerFacts& layer, const std::vector<LayerOnSlice>& slices,
                          const LayerOptions& options) {
  Report report(layer.name);
  const std::size_t samples = static_cast<std::size_t>(options.samples);
  for (const bool training : {false, true}) {
    check_gradient(report, layer, slices[0].run, options, training);
    const LayerInput input{normals(samples * layer.in, options.seed, 5), normals(samples * layer.out, options.seed, 6),
                           layer.values, training};
    // x = 0 makes every comparison a tie; very small numbers must not be lost.
    LayerInput zero = input, tiny = input;
    for (double& number : zero.x) number = 0;
    for (double& number : tiny.x) number *= 1e-8;
    for (const LayerOnSlice& slice : slices) {
      Report on(layer.name + " on " + slice.name + (training ? ", training" : ", evaluating"));
      const LayerOutput clean = slice.run(input, {});
      check_poison(on, layer, slice, input, clean);
      check_samples(on, layer, slice, input, clean);
      if (options.keeps_nan && !training) check_nan(on, layer, slice, input, clean);
      for (const LayerInput* point : std::array<const LayerInput*, 3>{&input, &zero, &tiny}) {
        const LayerOutput expected = slices[0].run(*point, {}), got = slice.run(*point, {});
        const double tolerance = options.rounding * slice.epsilon;
        const std::string where = point == &input ? "" : point == &zero ? " at 0" : " near 0";
        on.expect_near("y agrees with Reference" + where, expected.y, got.y, tolerance, layer.out);
        // Next to a bias such small numbers are lost to rounding, so that a maximum may fall to another of its inputs.
        if (point == &tiny) continue;
        on.expect_near("dx agrees with Reference" + where, expected.dx, got.dx, tolerance, layer.in);
        on.expect_near("dp agrees with Reference" + where, expected.dparameters, got.dparameters, tolerance);
      }
      report.merge(on);
    }
  }
  return report;
}

template <class S>
std::string slice_name(const char* scalar) {
  return std::string(scalar) + " x " + std::to_string(S::width);
}

/// The narrow and the wide slice of a backend, once if they are the same.
template <nn::Layer L, Shape In, class B>
void add_slices(std::vector<LayerOnSlice>& slices) {
  using T = typename B::Scalar;
  const char* scalar = std::is_same_v<T, float> ? "float" : std::is_same_v<T, double> ? "double" : "its own number";
  const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  using Wide = typename B::template Slice<1>;
  using Narrow = typename B::template Slice<(std::size_t{1} << 20)>;
  slices.push_back({&LayerRun<L, In, Wide>::run, LayerRun<L, In, Wide>::width, epsilon, slice_name<Wide>(scalar)});
  if constexpr (!std::is_same_v<Wide, Narrow>)
    slices.push_back(
        {&LayerRun<L, In, Narrow>::run, LayerRun<L, In, Narrow>::width, epsilon, slice_name<Narrow>(scalar)});
}

}  // namespace detail

/// Whether a layer obeys the laws at the head of this file for inputs of shape `In`: on Reference, and on `Backends`
/// (Cpu in float and in double if none are named).
template <nn::Layer L, Shape In, class... Backends>
Report check_layer(const LayerOptions& options = {}) {
  static_assert(nn::check<L, In>(), "mtlx: this layer refuses this shape");
  detail::LayerFacts layer;
  layer.name = std::string(nn::name<L>());
  layer.in = In.size();
  layer.out = L::output(In).size();
  layer.parameters = nn::parameter_count<L>(In);
  layer.in_place = nn::in_place<L>;

  Report report(layer.name);
  report.expect(layer.out > 0, "output", "expected a shape with numbers, got none");
  if constexpr (nn::in_place<L>)
    report.expect(layer.out == layer.in, "in place", "expected an output of the input's size, got another");
  Random random(options.seed, Purpose::user, 50);
  nn::for_each_parameter<L>(In, {}, [&](const nn::Path&, const nn::Parameter& parameter, std::size_t offset) {
    report.expect(offset == layer.values.size(), "parameters follow each other",
                  std::string(parameter.name) + ": expected offset " + std::to_string(layer.values.size()) + ", got " +
                      std::to_string(offset));
    // Near where training starts, but not at it: biases that are all 0 make ties.
    for (std::size_t i = 0; i < parameter.size(); ++i)
      layer.values.push_back(parameter.initialiser(random, parameter.fan_in, parameter.fan_out) +
                             0.1 * random.normal());
  });
  report.expect(layer.values.size() == layer.parameters, "parameters end at parameter_count",
                "expected " + std::to_string(layer.parameters) + ", got " + std::to_string(layer.values.size()));
  if (!report.ok()) return report;

  std::vector<detail::LayerOnSlice> slices;
  detail::add_slices<L, In, backend::Reference>(slices);
  if constexpr (sizeof...(Backends) == 0) {
    detail::add_slices<L, In, backend::Cpu<float>>(slices);
    detail::add_slices<L, In, backend::Cpu<double>>(slices);
  } else {
    (detail::add_slices<L, In, Backends>(slices), ...);
  }
  report.merge(detail::check_layer(layer, slices, options));
  return report;
}

}  // namespace mtlx::testing
