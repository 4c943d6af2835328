// SPDX-License-Identifier: MIT
// The oracle: plain loops in double, one sample at a time, each primitive as its formula reads. Slow and right.
#pragma once

#include <mtlx/backend/backend.hpp>
#include <mtlx/backend/sample.hpp>
#include <mtlx/core/geometry.hpp>
#include <mtlx/core/index.hpp>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/scalar.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>

namespace mtlx::backend {

/// One sample as `features` numbers in a row: plain loops over any number type. With float it is what a small device
/// runs (examples/small_device).
template <std::floating_point T>
struct PlainSlice {
  using Scalar = T;
  using Number = T;
  static constexpr int width = 1;

  struct ConstView {
    const T* data = nullptr;
    ConstView at(std::size_t feature) const { return {data + feature}; }
  };
  struct View {
    T* data = nullptr;
    View at(std::size_t feature) const { return {data + feature}; }
    operator ConstView() const { return {data}; }  // NOLINT: what can be written can be read
  };

  static T read(const T* from) { return *from; }
  static void write(T* to, T number) { *to = number; }
  static void accumulate(T* to, T number) { *to += number; }

  static void load(const T* rows, int, std::size_t features, View to) { std::copy_n(rows, features, to.data); }
  static void store(ConstView from, int, std::size_t features, T* rows) { std::copy_n(from.data, features, rows); }
  static void fill(View to, std::size_t features, T value) { std::fill_n(to.data, features, value); }
  static void copy(ConstView from, View to, std::size_t features) { std::copy_n(from.data, features, to.data); }
  static void add(ConstView from, View to, std::size_t features) {
    for (std::size_t i = 0; i < features; ++i) to.data[i] += from.data[i];
  }

  /// y = Wᵀ x + b
  template <int In, int Out>
  static void dense_forward(const T* weight, const T* bias, ConstView x, View y) {
    for (int n = 0; n < Out; ++n) {
      y.data[n] = bias[n];
      for (int k = 0; k < In; ++k) y.data[n] += weight[k * Out + n] * x.data[k];
    }
  }
  /// dx = W dy
  template <int In, int Out>
  static void dense_backward_input(const T* weight, ConstView dy, View dx) {
    for (int k = 0; k < In; ++k) {
      dx.data[k] = 0;
      for (int n = 0; n < Out; ++n) dx.data[k] += weight[k * Out + n] * dy.data[n];
    }
  }
  /// dW += x dyᵀ, db += dy
  template <int In, int Out>
  static void dense_backward_parameters(ConstView x, ConstView dy, T* dweight, T* dbias) {
    for (int n = 0; n < Out; ++n) {
      dbias[n] += dy.data[n];
      for (int k = 0; k < In; ++k) dweight[k * Out + n] += x.data[k] * dy.data[n];
    }
  }

  /// Calls function(weight index, x index, y index) for every product in a convolution.
  template <Convolution C, class Function>
  static void for_each_product(Function function) {
    constexpr Shape in = C.in, out = C.out();
    constexpr int kernel = C.window.kernel;
    for (int o = 0; o < out.channels; ++o)
      for (int r = 0; r < out.height; ++r)
        for (int c = 0; c < out.width; ++c)
          for (int i = 0; i < in.channels; ++i)
            for (int a = 0; a < kernel; ++a)
              for (int b = 0; b < kernel; ++b) {
                const int h = r * C.window.stride + a - C.window.padding;
                const int w = c * C.window.stride + b - C.window.padding;
                if (h < 0 || h >= in.height || w < 0 || w >= in.width) continue;
                function(((o * in.channels + i) * kernel + a) * kernel + b, (i * in.height + h) * in.width + w,
                         (o * out.height + r) * out.width + c);
              }
  }
  template <Convolution C>
  static void convolution_forward(const T* weight, const T* bias, ConstView x, View y) {
    constexpr int plane = C.out().height * C.out().width;
    for (int at = 0; at < C.filters * plane; ++at) y.data[at] = bias[at / plane];
    for_each_product<C>([&](int w, int i, int o) { y.data[o] += weight[w] * x.data[i]; });
  }
  template <Convolution C>
  static void convolution_backward_input(const T* weight, ConstView dy, View dx) {
    fill(dx, C.in.size(), 0);
    for_each_product<C>([&](int w, int i, int o) { dx.data[i] += weight[w] * dy.data[o]; });
  }
  template <Convolution C>
  static void convolution_backward_parameters(ConstView x, ConstView dy, T* dweight, T* dbias) {
    constexpr int plane = C.out().height * C.out().width;
    for (int at = 0; at < C.filters * plane; ++at) dbias[at / plane] += dy.data[at];
    for_each_product<C>([&](int w, int i, int o) { dweight[w] += x.data[i] * dy.data[o]; });
  }

  /// Calls function(place in the window, x index, y index) for every pixel of every window.
  template <Pooling P, class Function>
  static void for_each_pixel(Function function) {
    constexpr Shape in = P.in, out = P.out();
    for (int i = 0; i < in.channels; ++i)
      for (int r = 0; r < out.height; ++r)
        for (int c = 0; c < out.width; ++c)
          for (int a = 0; a < P.window.kernel; ++a)
            for (int b = 0; b < P.window.kernel; ++b) {
              const int h = r * P.window.stride + a - P.window.padding;
              const int w = c * P.window.stride + b - P.window.padding;
              if (h < 0 || h >= in.height || w < 0 || w >= in.width) continue;
              function(a * P.window.kernel + b, (i * in.height + h) * in.width + w,
                       (i * out.height + r) * out.width + c);
            }
  }
  template <Pooling P>
  static void max_pool_forward(ConstView x, View y, View winner) {
    fill(winner, P.out().size(), -1);
    for_each_pixel<P>([&](int place, int i, int o) {
      const T number = x.data[i];
      if (winner.data[o] >= 0 && !(number > y.data[o]) && number == number) return;
      y.data[o] = number;
      winner.data[o] = static_cast<T>(place);
    });
  }
  template <Pooling P>
  static void max_pool_backward(ConstView winner, ConstView dy, View dx) {
    fill(dx, P.in.size(), 0);
    for_each_pixel<P>([&](int place, int i, int o) {
      if (winner.data[o] == static_cast<T>(place)) dx.data[i] += dy.data[o];
    });
  }

  /// y[d][place] = weight[x[place]][d]; NaN where x[place] is no id.
  template <int Ids, int Dimensions, int Places>
  static void embedding_forward(const T* weight, ConstView x, View y) {
    for (int place = 0; place < Places; ++place)
      for (int d = 0; d < Dimensions; ++d) {
        const int id = index_of(x.data[place], Ids);
        y.data[d * Places + place] = id < 0 ? std::numeric_limits<T>::quiet_NaN()
                                            : weight[static_cast<std::size_t>(id) * Dimensions + std::size_t(d)];
      }
  }
  /// dweight[x[place]][d] += dy[d][place]; nothing where x[place] is no id.
  template <int Ids, int Dimensions, int Places>
  static void embedding_backward(ConstView x, ConstView dy, T* dweight) {
    for (int place = 0; place < Places; ++place)
      for (int d = 0; d < Dimensions; ++d) {
        const int id = index_of(x.data[place], Ids);
        if (id >= 0) dweight[static_cast<std::size_t>(id) * Dimensions + std::size_t(d)] += dy.data[d * Places + place];
      }
  }

  /// The one sample.
  struct Lane {
    LaneView<PlainSlice> at(View view) const { return {view.data}; }
    ConstLaneView<PlainSlice> at(ConstView view) const { return {view.data}; }
    std::array<T, 4> uniform(const Draws& draws, std::uint32_t block) const {
      const auto words = draws.words(0, block);
      return {unit_float(words[0]), unit_float(words[1]), unit_float(words[2]), unit_float(words[3])};
    }
  };
  template <class Function>
  static void for_each_lane(Function&& function) {
    function(Lane{});
  }
};

/// The oracle's: in double.
using ReferenceSlice = PlainSlice<double>;

/// Backend policy: plain loops in double on one thread. For checking, not for training.
class Reference {
 public:
  static constexpr auto kind = Kind::backend;
  using Scalar = double;
  struct Options {};
  template <std::size_t>
  using Slice = ReferenceSlice;

  explicit Reference(Options = {}) {}

  std::size_t workers() const { return 1; }
  template <class Job>
  void run(std::size_t count, Job&& job) {
    for (std::size_t index = 0; index < count; ++index) job(index, std::size_t{0});
  }

  template <std::size_t States, class Function>
  static void update(std::size_t count, double* parameters, const double* gradient, double* state, std::size_t stride,
                     const Function& function) {
    for (std::size_t at = 0; at < count; ++at) {
      std::array<double, States> states;
      for (std::size_t i = 0; i < States; ++i) states[i] = state[i * stride + at];
      function(parameters[at], gradient[at], states);
      for (std::size_t i = 0; i < States; ++i) state[i * stride + at] = states[i];
    }
  }
  static void gram(std::span<const double* const> rows, std::size_t size, double* g) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::size_t j = 0; j < rows.size(); ++j) {
        double& total = g[i * rows.size() + j] = 0;
        for (std::size_t k = 0; k < size; ++k) total += rows[i][k] * rows[j][k];
      }
  }
  static void axpy(double factor, std::span<const double> from, std::span<double> to) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
  }
};

}  // namespace mtlx::backend
