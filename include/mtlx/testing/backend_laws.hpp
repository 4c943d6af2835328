// SPDX-License-Identifier: MIT
// The laws of backend/backend.hpp, checked for any backend against `Reference`:
//
//   testing::check_dense<MyBackend, 37, 10>()                  one primitive at one shape, for a list of your own
//   testing::check_backend<MyBackend>([] { return MyBackend({.threads = 3}); })     all that is no matter of shape
//
// Primitives agree with Reference to rounding at any width, assign y and dx whatever they held, add to dweight and
// dbias, write nowhere else; what `load` takes, `store` gives back; `update` gives the same bits however its range is
// cut; `gram` is right to rounding and the same bits each time; `run` does each job once and throws on the exception of
// the first job that threw.
#pragma once

#include <mtlx/backend/backend.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/core/geometry.hpp>
#include <mtlx/testing/layer_laws.hpp>

#include <atomic>
#include <stdexcept>

namespace mtlx::testing {

/// Rounding that primitives are allowed, in units of the scalar's epsilon times the largest number.
struct BackendOptions {
  double rounding = 500;
  std::uint64_t seed = 1;
};

namespace detail {

/// A slice's primitives, called on numbers that are laid out sample by sample, slice after slice.
template <class S>
struct Primitives {
  using T = typename S::Scalar;
  using Numbers = std::vector<double>;
  static constexpr std::size_t width = static_cast<std::size_t>(S::width);

  /// Calls function(inputs, outputs, first sample, samples) for every slice of a batch.
  /// x : (samples, x_size); returns y : (samples, y_size).
  template <class Function>
  static Numbers map(const Numbers& x, std::size_t x_size, std::size_t y_size, double poison, bool& intact,
                     Function function) {
    const std::size_t samples = x.size() / x_size;
    Numbers y(samples * y_size);
    for (std::size_t first = 0; first < samples; first += width) {
      const std::size_t count = std::min(width, samples - first);
      Guarded<S> from = load(x, x_size, first, count, false), to(y_size, static_cast<T>(poison));
      function(from, to, first, count);
      std::vector<T> rows(count * y_size);
      S::store(to.view(), static_cast<int>(count), y_size, rows.data());
      std::copy(rows.begin(), rows.end(), y.begin() + static_cast<std::ptrdiff_t>(first * y_size));
      intact = intact && from.intact() && to.intact();
    }
    return y;
  }
  static Guarded<S> load(const Numbers& from, std::size_t size, std::size_t first, std::size_t count, bool zeros) {
    Guarded<S> place(size);
    std::vector<T> rows(width * size);
    for (std::size_t i = 0; i < count * size; ++i) rows[i] = static_cast<T>(from[first * size + i]);
    S::load(rows.data(), static_cast<int>(zeros ? width : count), size, place.view());
    return place;
  }
  static std::vector<T> scalars(const Numbers& numbers) {
    std::vector<T> result(numbers.size());
    std::transform(numbers.begin(), numbers.end(), result.begin(), [](double x) { return static_cast<T>(x); });
    return result;
  }
};

/// What a layer of weights does on a batch.
struct WeightedOutput {
  std::vector<double> y, dx, dweight;  // dweight with dbias behind it
  bool intact = true;
};

struct WeightedInput {
  std::vector<double> x, dy, weight;  // weight with bias behind it
  double poison = 0, start = 0;
};

/// Runs a dense layer or a convolution: `Kernel` has its sizes and calls its primitives.
template <class S, class Kernel>
WeightedOutput run_weighted(const WeightedInput& input) {
  using P = Primitives<S>;
  using T = typename S::Scalar;
  WeightedOutput result;
  const std::vector<T> weight = P::scalars(input.weight);
  std::vector<T> gradient(weight.size() + 16, static_cast<T>(input.start));
  result.y =
      P::map(input.x, Kernel::in, Kernel::out, input.poison, result.intact,
             [&](Guarded<S>& x, Guarded<S>& y, std::size_t first, std::size_t count) {
               Kernel::template forward<S>(weight.data(), weight.data() + Kernel::weights, x.view(), y.view());
               Guarded<S> dy = P::load(input.dy, Kernel::out, first, count, true);
               Kernel::template parameters<S>(x.view(), dy.view(), gradient.data(), gradient.data() + Kernel::weights);
             });
  result.dx = P::map(input.dy, Kernel::out, Kernel::in, input.poison, result.intact,
                     [&](Guarded<S>& dy, Guarded<S>& dx, std::size_t, std::size_t) {
                       Kernel::template input<S>(weight.data(), dy.view(), dx.view());
                     });
  result.dweight.assign(gradient.begin(), gradient.end() - 16);
  result.intact = result.intact && std::all_of(gradient.end() - 16, gradient.end(),
                                               [&](T x) { return x == static_cast<T>(input.start); });
  return result;
}

template <int In, int Out>
struct DenseKernel {
  static constexpr std::size_t in = In, out = Out, weights = std::size_t{In} * Out, biases = Out;
  static std::string text() { return "dense " + std::to_string(In) + " x " + std::to_string(Out); }
  template <class S>
  static void forward(const typename S::Scalar* w, const typename S::Scalar* b, typename S::ConstView x,
                      typename S::View y) {
    S::template dense_forward<In, Out>(w, b, x, y);
  }
  template <class S>
  static void input(const typename S::Scalar* w, typename S::ConstView dy, typename S::View dx) {
    S::template dense_backward_input<In, Out>(w, dy, dx);
  }
  template <class S>
  static void parameters(typename S::ConstView x, typename S::ConstView dy, typename S::Scalar* dw,
                         typename S::Scalar* db) {
    S::template dense_backward_parameters<In, Out>(x, dy, dw, db);
  }
};

inline std::string text(const Shape& shape) {
  return std::to_string(shape.channels) + " x " + std::to_string(shape.height) + " x " + std::to_string(shape.width);
}
inline std::string text(const Window& window) {
  return "kernel " + std::to_string(window.kernel) + ", stride " + std::to_string(window.stride) + ", padding " +
         std::to_string(window.padding);
}

template <Convolution C>
struct ConvolutionKernel {
  static constexpr std::size_t in = C.in.size(), out = C.out().size(), weights = C.weights();
  static constexpr std::size_t biases = static_cast<std::size_t>(C.filters);
  static std::string text() {
    return "convolution of " + detail::text(C.in) + " to " + std::to_string(C.filters) + ", " + detail::text(C.window);
  }
  template <class S>
  static void forward(const typename S::Scalar* w, const typename S::Scalar* b, typename S::ConstView x,
                      typename S::View y) {
    S::template convolution_forward<C>(w, b, x, y);
  }
  template <class S>
  static void input(const typename S::Scalar* w, typename S::ConstView dy, typename S::View dx) {
    S::template convolution_backward_input<C>(w, dy, dx);
  }
  template <class S>
  static void parameters(typename S::ConstView x, typename S::ConstView dy, typename S::Scalar* dw,
                         typename S::Scalar* db) {
    S::template convolution_backward_parameters<C>(x, dy, dw, db);
  }
};

/// One slice of a backend, as the checks see it.
template <class Run>
struct OnSlice {
  Run run;
  double epsilon;
  std::string name;
};

/// Calls function(OnSlice) for a backend's wide slice and, if it is another, its narrow one. `make` gives the function
/// to run for a slice type.
template <class B, class Make>
auto on_slices(Make make) {
  using T = typename B::Scalar;
  const char* scalar = std::is_same_v<T, float> ? "float" : std::is_same_v<T, double> ? "double" : "its own number";
  const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  using Wide = typename B::template Slice<1>;
  using Narrow = typename B::template Slice<(std::size_t{1} << 20)>;
  using Run = decltype(make(std::type_identity<Wide>{}));
  std::vector<OnSlice<Run>> slices{{make(std::type_identity<Wide>{}), epsilon, slice_name<Wide>(scalar)}};
  if constexpr (!std::is_same_v<Wide, Narrow>)
    slices.push_back({make(std::type_identity<Narrow>{}), epsilon, slice_name<Narrow>(scalar)});
  return slices;
}

inline void check_weighted(Report& report, const WeightedInput& input, const WeightedOutput& truth,
                           WeightedOutput (*run)(const WeightedInput&), double tolerance, std::size_t in,
                           std::size_t out) {
  const WeightedOutput got = run(input);
  report.expect(got.intact, "nothing beyond its place is written", "a guard was written over");
  report.expect_near("y agrees with Reference", truth.y, got.y, tolerance, out);
  report.expect_near("dx agrees with Reference", truth.dx, got.dx, tolerance, in);
  report.expect_near("dweight and dbias agree with Reference", truth.dweight, got.dweight, tolerance);
  WeightedInput poisoned = input;
  poisoned.poison = not_a_number;
  poisoned.start = 2;
  WeightedOutput again = run(poisoned);
  report.expect_same("y is assigned", got.y, again.y, out);
  report.expect_same("dx is assigned", got.dx, again.dx, in);
  std::vector<double> added = got.dweight;
  for (double& number : added) number += poisoned.start;
  report.expect_near("dweight and dbias are added to", added, again.dweight, tolerance);
}

template <class B, class Kernel>
Report check_kernel(const BackendOptions& options) {
  constexpr std::size_t samples = 35;  // two full slices of 16 and a part of one
  Report report(Kernel::text());
  const WeightedInput input{normals(samples * Kernel::in, options.seed, 1),
                            normals(samples * Kernel::out, options.seed, 2),
                            normals(Kernel::weights + Kernel::biases, options.seed, 3)};
  const WeightedOutput truth = run_weighted<backend::ReferenceSlice, Kernel>(input);
  for (const auto& slice : on_slices<B>([]<class S>(std::type_identity<S>) { return &run_weighted<S, Kernel>; })) {
    Report on(Kernel::text() + " in " + slice.name);
    check_weighted(on, input, truth, slice.run, options.rounding * slice.epsilon, Kernel::in, Kernel::out);
    report.merge(on);
  }
  return report;
}

struct PoolingOutput {
  std::vector<double> y, winner, dx;
  bool intact = true;
};

template <class S, Pooling P>
PoolingOutput run_pooling(const std::vector<double>& x, const std::vector<double>& dy, double poison) {
  using Run = Primitives<S>;
  constexpr std::size_t in = P.in.size(), out = P.out().size();
  PoolingOutput result;
  result.winner.resize(dy.size());
  result.dx.resize(x.size());
  result.y = Run::map(
      x, in, out, poison, result.intact, [&](Guarded<S>& from, Guarded<S>& y, std::size_t first, std::size_t count) {
        using T = typename S::Scalar;
        Guarded<S> winner(out, static_cast<T>(poison)), dx(in, static_cast<T>(poison));
        S::template max_pool_forward<P>(from.view(), y.view(), winner.view());
        Guarded<S> gradient = Run::load(dy, out, first, count, true);
        S::template max_pool_backward<P>(winner.view(), gradient.view(), dx.view());
        result.intact = result.intact && winner.intact() && dx.intact();
        std::vector<T> rows(count * std::max(in, out));
        S::store(winner.view(), static_cast<int>(count), out, rows.data());
        std::copy_n(rows.begin(), count * out, result.winner.begin() + static_cast<std::ptrdiff_t>(first * out));
        S::store(dx.view(), static_cast<int>(count), in, rows.data());
        std::copy_n(rows.begin(), count * in, result.dx.begin() + static_cast<std::ptrdiff_t>(first * in));
      });
  return result;
}

/// Runs an embedding; dx stays empty, `input.x` are ids.
template <class S, int Ids, int Dimensions, int Places>
WeightedOutput run_embedding(const WeightedInput& input) {
  using Run = Primitives<S>;
  using T = typename S::Scalar;
  constexpr std::size_t out = std::size_t{Dimensions} * Places, guard = 16;
  WeightedOutput result;
  const std::vector<T> weight = Run::scalars(input.weight);
  std::vector<T> gradient(weight.size() + guard, static_cast<T>(input.start));
  result.y = Run::map(input.x, Places, out, input.poison, result.intact,
                      [&](Guarded<S>& x, Guarded<S>& y, std::size_t first, std::size_t count) {
                        S::template embedding_forward<Ids, Dimensions, Places>(weight.data(), x.view(), y.view());
                        Guarded<S> dy = Run::load(input.dy, out, first, count, true);
                        S::template embedding_backward<Ids, Dimensions, Places>(x.view(), dy.view(), gradient.data());
                      });
  result.dweight.assign(gradient.begin(), gradient.end() - guard);
  result.intact = result.intact && std::all_of(gradient.end() - guard, gradient.end(),
                                               [&](T x) { return x == static_cast<T>(input.start); });
  return result;
}

template <class S>
void check_memory(Report& report) {
  using T = typename S::Scalar;
  constexpr std::size_t width = static_cast<std::size_t>(S::width), features = 5;
  std::vector<T> rows(width * features);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<T>(i) + T(0.5);
  for (std::size_t count = 1; count <= width; ++count) {
    Guarded<S> place(features, T(-1)), other(features, T(-1));
    S::load(rows.data(), static_cast<int>(count), features, place.view());
    S::copy(place.view(), other.view(), features);
    std::vector<T> back(width * features, T(-7));
    S::store(other.view(), static_cast<int>(count), features, back.data());
    std::vector<double> expected(rows.begin(), rows.end());
    std::fill(expected.begin() + static_cast<std::ptrdiff_t>(count * features), expected.end(), -7);
    report.expect_same("store gives back what load took, and no more", expected, {back.begin(), back.end()}, features);
    S::store(place.view(), S::width, features, back.data());
    for (std::size_t s = count; s < width; ++s)
      for (std::size_t f = 0; f < features; ++f)
        report.expect(back[s * features + f] == rows[(count - 1) * features + f], "load repeats the last sample",
                      "of " + std::to_string(count) + ", in place " + std::to_string(s));
    S::add(place.view(), other.view(), features);
    S::add(place.view(), other.view(), 2);
    back.assign(back.size(), T(-7));
    S::store(other.view(), static_cast<int>(count), features, back.data());
    for (std::size_t i = 0; i < count * features; ++i)
      expected[i] = static_cast<double>(rows[i]) * (i % features < 2 ? 3 : 2);
    report.expect_same("add", expected, {back.begin(), back.end()}, features);
    S::fill(other.view().at(1), 3, T(4));
    S::store(other.view(), static_cast<int>(count), features, back.data());
    for (std::size_t i = 0; i < count * features; ++i)
      if (i % features >= 1 && i % features < 4) expected[i] = 4;
    report.expect_same("fill and at", expected, {back.begin(), back.end()}, features);
    report.expect(place.intact() && other.intact(), "nothing beyond its place is written", "a guard was written over");
  }
}

template <class S>
void check_draws(Report& report) {
  using T = typename S::Scalar;
  constexpr std::size_t width = static_cast<std::size_t>(S::width);
  const backend::Draws draws{{1, 2}, 3, 4, 5};
  Guarded<S> place(4, T(-1));
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto numbers = lane.uniform(draws, 6);
    for (std::size_t i = 0; i < 4; ++i) lane.at(place.view())[i] = numbers[i];
  });
  std::vector<T> got(width * 4);
  S::store(place.view(), S::width, 4, got.data());
  std::vector<double> expected;
  for (std::uint32_t s = 0; s < width; ++s)
    for (const std::uint32_t word : draws.words(s, 6)) expected.push_back(static_cast<double>(unit_float(word)));
  report.expect_same("for_each_lane covers every sample, with its own draws", expected, {got.begin(), got.end()}, 4);
}

/// An optimizer's step with two numbers of state.
struct SmallStep {
  void operator()(auto& parameter, auto gradient, auto& state) const {
    using Number = std::remove_cvref_t<decltype(gradient)>;
    state[0] = Number(0.9F) * state[0] + Number(0.1F) * gradient;
    state[1] = maximum(state[1], gradient * gradient);
    parameter -= state[0] / (square_root(state[1]) + Number(1e-3F));
  }
};

template <class B>
void check_update(Report& report, const BackendOptions& options) {
  using T = typename B::Scalar;
  const double tolerance = options.rounding * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const std::size_t count : std::initializer_list<std::size_t>{0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 1000}) {
    const std::size_t stride = count + 3;
    const auto with = [&]<class C>(std::type_identity<C>, std::size_t cut) {
      using U = typename C::Scalar;
      const auto p = normals(stride, options.seed, 7), g = normals(stride, options.seed, 8);
      std::vector<U> parameters(p.begin(), p.end()), gradient(g.begin(), g.end()), state(2 * stride, U(0.5));
      const auto rounded = [](double x) { return static_cast<U>(static_cast<T>(x)); };
      std::transform(p.begin(), p.end(), parameters.begin(), rounded);
      std::transform(g.begin(), g.end(), gradient.begin(), rounded);
      for (const auto& [from, to] : {std::pair{std::size_t{0}, cut}, std::pair{cut, count}})
        C::template update<2>(to - from, parameters.data() + from, gradient.data() + from, state.data() + from, stride,
                              SmallStep{});
      std::vector<double> all(parameters.begin(), parameters.end());
      all.insert(all.end(), state.begin(), state.end());
      return all;
    };
    const std::vector<double> whole = with(std::type_identity<B>{}, count);
    const std::string size = " (" + std::to_string(count) + ")";
    report.expect_near("update agrees with Reference" + size, with(std::type_identity<backend::Reference>{}, count),
                       whole, tolerance);
    for (const std::size_t cut : std::initializer_list<std::size_t>{0, 1, 5, 8, 16, 21, 500})
      if (cut <= count)
        report.expect_same("update gives the same bits however it is cut" + size, whole,
                           with(std::type_identity<B>{}, cut));
  }
}

// Inner products of n rows, the rows wherever they lie.
template <class B, class Draw>
void check_gram(Report& report, std::size_t n, std::size_t count, const std::string& name, Draw draw) {
  using T = typename B::Scalar;
  std::vector<std::vector<T>> row, moved;
  std::vector<const T*> rows, elsewhere;
  for (std::size_t i = 0; i < n; ++i) {
    row.push_back(draw(20 + i));
    moved.push_back(row[i]);
    moved[i].insert(moved[i].begin(), T(7));
  }
  for (std::size_t i = 0; i < n; ++i) rows.push_back(row[i].data()), elsewhere.push_back(moved[i].data() + 1);
  std::vector<double> got(n * n, not_a_number), again(n * n);
  B::gram(rows, count, got.data());
  B::gram(elsewhere, count, again.data());
  report.expect_same("gram gives the same bits each time" + name, got, again, n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      long double exact = 0, size = 0;
      for (std::size_t k = 0; k < count; ++k) {
        const long double product = static_cast<long double>(row[i][k]) * static_cast<long double>(row[j][k]);
        exact += product;
        size += std::abs(product);
      }
      // Up to 64 numbers may be added up in the scalar's own precision before double takes over.
      const double bound = 64 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(size);
      report.expect(std::abs(static_cast<double>(exact) - got[i * n + j]) <= bound, "gram" + name,
                    "expected " + written(static_cast<double>(exact)) + ", got " + written(got[i * n + j]));
    }
}

template <class B>
void check_products(Report& report, const BackendOptions& options) {
  using T = typename B::Scalar;
  for (const std::size_t count : std::initializer_list<std::size_t>{0, 1, 2, 15, 16, 17, 33, 1000, 12345}) {
    const auto draw = [&](std::uint64_t stream) {
      const auto numbers = normals(count, options.seed, stream);
      std::vector<T> result(count);
      std::transform(numbers.begin(), numbers.end(), result.begin(), [](double x) { return static_cast<T>(x); });
      return result;
    };
    const std::vector<T> a = draw(9), b = draw(10);
    const std::string name = " (" + std::to_string(count) + ")";
    for (const std::size_t n : std::initializer_list<std::size_t>{1, 2, 3, 4, 9})
      check_gram<B>(report, n, count, name, draw);
    std::vector<T> sum = b;
    B::axpy(T(0.5), std::span<const T>(a), std::span<T>(sum));
    std::vector<double> expected(count);
    for (std::size_t i = 0; i < count; ++i) expected[i] = static_cast<double>(b[i]) + 0.5 * static_cast<double>(a[i]);
    report.expect_near("axpy" + name, expected, {sum.begin(), sum.end()},
                       4 * static_cast<double>(std::numeric_limits<T>::epsilon()));
  }
}

template <class B>
void check_run(Report& report, B& backend) {
  for (const std::size_t jobs : std::initializer_list<std::size_t>{0, 1, 2, 3, 7, 100, 1000}) {
    std::vector<std::atomic<int>> calls(jobs);
    std::atomic<bool> strange{false};
    backend.run(jobs, [&](std::size_t job, std::size_t worker) {
      if (job >= jobs || worker >= backend.workers())
        strange = true;
      else
        ++calls[job];
    });
    report.expect(!strange, "run numbers jobs and workers from 0", "a number was too large");
    for (std::size_t job = 0; job < jobs; ++job)
      report.expect(calls[job] == 1, "run does each job once",
                    "job " + std::to_string(job) + ": expected 1 call, got " + std::to_string(calls[job]));
    if (jobs < 3) continue;
    std::string thrown = "nothing";
    try {
      backend.run(jobs, [&](std::size_t job, std::size_t) {
        if (job % 3 == 2) throw std::runtime_error(std::to_string(job));
      });
    } catch (const std::runtime_error& error) {
      thrown = error.what();
    }
    report.expect(thrown == "2", "run throws on the exception of the first job", "expected 2, got " + thrown);
  }
}

}  // namespace detail

/// The three primitives of a dense layer with `In` inputs and `Out` outputs.
template <Backend B, int In, int Out>
Report check_dense(const BackendOptions& options = {}) {
  return detail::check_kernel<B, detail::DenseKernel<In, Out>>(options);
}

/// The three primitives of a convolution.
template <Backend B, Convolution C>
Report check_convolution(const BackendOptions& options = {}) {
  return detail::check_kernel<B, detail::ConvolutionKernel<C>>(options);
}

/// The two primitives of a pooling: ties go to the first, NaN wins, overlapping windows add up.
template <Backend B, Pooling P>
Report check_pooling(const BackendOptions& options = {}) {
  constexpr std::size_t samples = 35;
  Report report;
  std::vector<double> x = detail::normals(samples * P.in.size(), options.seed, 4), ties = x, broken = x;
  const std::vector<double> dy = detail::normals(samples * P.out().size(), options.seed, 5);
  for (double& number : x) number = static_cast<double>(static_cast<float>(number));
  for (double& number : ties) number = number > 0 ? 1 : -1;
  for (std::size_t i = 0; i < broken.size(); ++i) broken[i] = i % 7 == 3 ? detail::not_a_number : x[i];
  for (const auto& slice :
       detail::on_slices<B>([]<class S>(std::type_identity<S>) { return &detail::run_pooling<S, P>; })) {
    Report on("pooling of " + detail::text(P.in) + ", " + detail::text(P.window) + " in " + slice.name);
    for (const auto& [from, kind] :
         {std::pair{&x, ""}, std::pair{&ties, " with ties"}, std::pair{&broken, " with NaN"}})
      for (const double poison : {0.0, detail::not_a_number}) {
        const auto truth = detail::run_pooling<backend::ReferenceSlice, P>(*from, dy, 0);
        const auto got = slice.run(*from, dy, poison);
        on.expect_same(std::string("y") + kind, truth.y, got.y, P.out().size());
        on.expect_same(std::string("winner") + kind, truth.winner, got.winner, P.out().size());
        on.expect_near(std::string("dx") + kind, truth.dx, got.dx, 10 * slice.epsilon, P.in.size());
        on.expect(got.intact, "nothing beyond its place is written", "a guard was written over");
      }
    report.merge(on);
  }
  return report;
}

/// The two primitives of an embedding: rows come out as they are, their gradients add up, and what is no id gives NaN and
/// has no gradient.
template <Backend B, int Ids, int Dimensions, int Places>
Report check_embedding(const BackendOptions& options = {}) {
  constexpr std::size_t samples = 35, out = std::size_t{Dimensions} * Places;
  const std::string name = "embedding of " + std::to_string(Places) + " of " + std::to_string(Ids) + " ids in " +
                           std::to_string(Dimensions) + " dimensions";
  Report report(name);
  std::vector<double> ids, weight = detail::normals(std::size_t{Ids} * Dimensions, options.seed, 12);
  Random random(options.seed, Purpose::user, 11);
  for (std::size_t i = 0; i < samples * Places; ++i) ids.push_back(random.below(Ids));
  for (double& number : weight) number = static_cast<double>(static_cast<float>(number));
  std::vector<double> broken = ids;
  const double wrong[] = {-1, Ids, 0.5, 1e9, -3e38, 3e38, detail::not_a_number};
  for (std::size_t i = 0; i < broken.size(); i += 5) broken[i] = wrong[i % 7];
  const std::vector<double> dy = detail::normals(samples * out, options.seed, 13);
  const auto make = []<class S>(std::type_identity<S>) { return &detail::run_embedding<S, Ids, Dimensions, Places>; };
  for (const auto& slice : detail::on_slices<B>(make)) {
    Report on(name + ", " + slice.name);
    for (const auto& [x, kind] : {std::pair{&ids, ""}, std::pair{&broken, " where some are no ids"}}) {
      detail::WeightedInput input{*x, dy, weight};
      const auto truth = detail::run_embedding<backend::ReferenceSlice, Ids, Dimensions, Places>(input);
      const auto got = slice.run(input);
      on.expect(got.intact, "nothing beyond its place is written", "a guard was written over");
      on.expect_same(std::string("y") + kind, truth.y, got.y, out);
      on.expect_near(std::string("dweight") + kind, truth.dweight, got.dweight, options.rounding * slice.epsilon);
      on.expect_same(std::string("dweight is the same bits each time") + kind, got.dweight, slice.run(input).dweight);
      input.poison = detail::not_a_number;
      input.start = 2;
      const auto again = slice.run(input);
      on.expect_same(std::string("y is assigned") + kind, got.y, again.y, out);
      std::vector<double> added = got.dweight;
      for (double& number : added) number += input.start;
      on.expect_near(std::string("dweight is added to") + kind, added, again.dweight, options.rounding * slice.epsilon);
    }
    report.merge(on);
  }
  return report;
}

/// Everything that is no matter of a layer's shape: memory, draws, update, gram, axpy and run. `make` makes a backend.
template <Backend B, class Make>
Report check_backend(Make make, const BackendOptions& options = {}) {
  Report report("backend");
  const auto check = [&]<class S>(std::type_identity<S>) {
    Report on("backend in slices of " + std::to_string(S::width));
    detail::check_memory<S>(on);
    detail::check_draws<S>(on);
    report.merge(on);
    return 0;
  };
  detail::on_slices<B>(check);
  detail::check_update<B>(report, options);
  detail::check_products<B>(report, options);
  B backend = make();
  detail::check_run(report, backend);
  return report;
}

}  // namespace mtlx::testing
