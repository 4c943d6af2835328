// SPDX-License-Identifier: MIT
// The fast backend for CPUs: a slice is `Width` samples with sample in lane, so that small convolutions and pointwise
// code use the whole register, and a slice's forward and backward pass stays in the cache.
#pragma once

#include <mtlx/backend/backend.hpp>
#include <mtlx/backend/cpu_convolution.hpp>
#include <mtlx/backend/cpu_dense.hpp>
#include <mtlx/backend/cpu_embedding.hpp>
#include <mtlx/backend/cpu_gram.hpp>
#include <mtlx/backend/cpu_pooling.hpp>
#include <mtlx/backend/cpu_single.hpp>
#include <mtlx/backend/cpu_winograd.hpp>
#include <mtlx/backend/cpu_winograd_rows.hpp>
#include <mtlx/backend/pack.hpp>
#include <mtlx/backend/sample.hpp>
#include <mtlx/core/crew.hpp>
#include <mtlx/core/kind.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// `Width` samples in the CPU's memory: number of feature f and sample s at data[f * Width + s].
template <class T, int Width, Convolving how = Convolving::automatic>
struct CpuSlice {
  static_assert(Width % lanes<T> == 0, "mtlx: a slice's width must be a multiple of the register's lanes");
  using Scalar = T;
  using Number = Pack<T>;
  static constexpr int width = Width;

  struct ConstView {
    const T* data = nullptr;
    ConstView at(std::size_t feature) const { return {data + feature * Width}; }
  };
  struct View {
    T* data = nullptr;
    View at(std::size_t feature) const { return {data + feature * Width}; }
    operator ConstView() const { return {data}; }  // NOLINT: what can be written can be read
  };

  static Number read(const T* from) { return Number::load(from); }
  static void write(T* to, Number number) { number.store(to); }
  /// Adds a number's sum over the samples.
  static void accumulate(T* to, Number number) { *to += sum(number); }

  /// Takes `count` samples, rows : (count, features), into lanes; the places left over repeat the last sample, so that
  /// they compute what a real one does and can't make a NaN of their own.
  [[gnu::noinline]] static void load(const T* rows, int count, std::size_t features, View to) {
    const T* row[Width];
    for (int s = 0; s < Width; ++s) row[s] = rows + static_cast<std::size_t>(std::min(s, count - 1)) * features;
    for (std::size_t f = 0; f < features; ++f)
      for (int s = 0; s < Width; ++s) to.data[f * Width + static_cast<std::size_t>(s)] = row[s][f];
  }
  /// The way back: rows : (count, features).
  [[gnu::noinline]] static void store(ConstView from, int count, std::size_t features, T* rows) {
    for (int s = 0; s < count; ++s)
      for (std::size_t f = 0; f < features; ++f)
        rows[static_cast<std::size_t>(s) * features + f] = from.data[f * Width + static_cast<std::size_t>(s)];
  }

  static void fill(View to, std::size_t features, T value) { std::fill_n(to.data, features * Width, value); }
  static void copy(ConstView from, View to, std::size_t features) { std::copy_n(from.data, features * Width, to.data); }
  /// to += from
  static void add(ConstView from, View to, std::size_t features) {
    for (std::size_t i = 0; i < features * Width; i += lanes<T>)
      (Number::load(to.data + i) + Number::load(from.data + i)).store(to.data + i);
  }

  template <int In, int Out>
  static void dense_forward(const T* weight, const T* bias, ConstView x, View y) {
    DenseProduct<T, Width, In, Out, Out, 1>::run(x.data, weight, bias, y.data);
  }
  template <int In, int Out>
  static void dense_backward_input(const T* weight, ConstView dy, View dx) {
    DenseProduct<T, Width, Out, In, 1, Out>::run(dy.data, weight, nullptr, dx.data);
  }
  template <int In, int Out>
  static void dense_backward_parameters(ConstView x, ConstView dy, T* dweight, T* dbias) {
    DenseWeightGradient<T, Width, In, Out>::run(x.data, dy.data, dweight);
    add_sums<T, Width, Out>(dy.data, dbias);
  }
  template <Convolution C>
  static constexpr bool by_tiles = how == Convolving::automatic && winograd_pays(C, register_bytes, sizeof(T));
  template <Convolution C>
  static constexpr bool by_rows =
      how == Convolving::automatic && !by_tiles<C> && winograd_rows_pay(C, register_bytes, register_count);
  template <Convolution C>
  static void convolution_forward(const T* weight, const T* bias, ConstView x, View y) {
    if constexpr (by_tiles<C>)
      Winograd<T, Width, C>::forward(x.data, weight, bias, y.data);
    else if constexpr (by_rows<C>)
      WinogradRows<T, Width, C>::forward(x.data, weight, bias, y.data);
    else
      ConvolutionForward<T, Width, C>::run(x.data, weight, bias, y.data);
  }
  template <Convolution C>
  static void convolution_backward_input(const T* weight, ConstView dy, View dx) {
    if constexpr (by_tiles<C>)
      Winograd<T, Width, C>::backward_input(weight, dy.data, dx.data);
    else
      ConvolutionInputGradient<T, Width, C>::run(dy.data, weight, dx.data);
  }
  template <Convolution C>
  static void convolution_backward_parameters(ConstView x, ConstView dy, T* dweight, T* dbias) {
    if constexpr (by_rows<C>) {
      WinogradRows<T, Width, C>::backward_parameters(x.data, dy.data, dweight, dbias);
    } else {
      if constexpr (by_tiles<C>)
        Winograd<T, Width, C>::backward_weights(x.data, dy.data, dweight);
      else
        ConvolutionWeightGradient<T, Width, C>::run(x.data, dy.data, dweight);
      add_sums<T, Width, C.filters, C.out().height * C.out().width>(dy.data, dbias);
    }
  }
  template <Pooling P>
  static void max_pool_forward(ConstView x, View y, View winner) {
    backend::max_pool_forward<T, Width, P>(x.data, y.data, winner.data);
  }
  template <Pooling P>
  static void max_pool_backward(ConstView winner, ConstView dy, View dx) {
    backend::max_pool_backward<T, Width, P>(winner.data, dy.data, dx.data);
  }
  template <int Ids, int Dimensions, int Places>
  static void embedding_forward(const T* weight, ConstView x, View y) {
    backend::embedding_forward<T, Width, Ids, Dimensions, Places>(weight, x.data, y.data);
  }
  template <int Ids, int Dimensions, int Places>
  static void embedding_backward(ConstView x, ConstView dy, T* dweight) {
    backend::embedding_backward<T, Width, Ids, Dimensions, Places>(x.data, dy.data, dweight);
  }

  /// One register of samples of a slice.
  struct Lane {
    int first;

    LaneView<CpuSlice> at(View view) const { return {view.data + first}; }
    ConstLaneView<CpuSlice> at(ConstView view) const { return {view.data + first}; }
    /// Four numbers in [0, 1) for each sample.
    std::array<Number, 4> uniform(const Draws& draws, std::uint32_t block) const {
      T parts[4][Number::size];
      for (int s = 0; s < Number::size; ++s) {
        const auto words = draws.words(static_cast<std::uint32_t>(first + s), block);
        for (std::size_t i = 0; i < 4; ++i) parts[i][s] = static_cast<T>(unit_float(words[i]));
      }
      return {Number::load(parts[0]), Number::load(parts[1]), Number::load(parts[2]), Number::load(parts[3])};
    }
  };

  /// Calls function(lane) until every sample has been covered.
  template <class Function>
  static void for_each_lane(Function&& function) {
    for (int first = 0; first < Width; first += lanes<T>) function(Lane{first});
  }
};

/// Backend policy: this machine's CPU, in `float` (fast) or `double`.
template <class T = float, Convolving how = Convolving::automatic>
class Cpu {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>,
                "mtlx: backend::Cpu computes in float or in double");

 public:
  static constexpr auto kind = Kind::backend;
  using Scalar = T;

  struct Options {
    int threads = 0;  ///< 0: as many as the machine has cores. The results are the same bits for any number.
  };

  /// The slice for a model that needs so many numbers a sample: as wide as keeps it in a quarter of a megabyte.
  template <std::size_t numbers>
  using Slice = CpuSlice<T,
                         16 * (numbers * 64 * sizeof(T) <= 262144   ? 4
                               : numbers * 32 * sizeof(T) <= 262144 ? 2
                                                                    : 1),
                         how>;

  /// The slice for so few samples that most lanes of a Slice would be empty.
  using FewSlice = SingleSlice<T>;
  static constexpr std::size_t few = 4;

  explicit Cpu(Options options = {}) : crew_(options.threads) {}

  /// Threads that `run` uses.
  std::size_t workers() const { return crew_.size(); }

  /// Calls job(index, worker) for each index below `count`, on all threads.
  template <class Job>
  void run(std::size_t count, Job&& job) {
    crew_.run(count, job);
  }

  /// function(parameter, gradient, state...) for every parameter, state : (States, count) in rows `stride` apart.
  /// `Function` is called with numbers for several parameters at once, all by reference but the gradient.
  template <std::size_t States, class Function>
  static void update(std::size_t count, T* parameters, const T* gradient, T* state, std::size_t stride,
                     const Function& function) {
    constexpr std::size_t step = lanes<T>;
    // A copy whose address nobody has: its constants stay in registers over the stores.
    const Function rule = function;
    const auto block = [&, rule](T* p, const T* g, const std::array<T*, States>& s) {
      Pack<T> parameter = Pack<T>::load(p);
      std::array<Pack<T>, States> states;
      for (std::size_t i = 0; i < States; ++i) states[i] = Pack<T>::load(s[i]);
      rule(parameter, Pack<T>::load(g), states);
      parameter.store(p);
      for (std::size_t i = 0; i < States; ++i) states[i].store(s[i]);
    };
    std::array<T*, States> rows;
    std::size_t at = 0;
    for (; at + step <= count; at += step) {
      for (std::size_t i = 0; i < States; ++i) rows[i] = state + i * stride + at;
      block(parameters + at, gradient + at, rows);
    }
    if (at == count) return;
    T tail[States + 2][step] = {};
    const std::size_t left = count - at;
    std::copy_n(parameters + at, left, tail[0]);
    std::copy_n(gradient + at, left, tail[1]);
    for (std::size_t i = 0; i < States; ++i) {
      std::copy_n(state + i * stride + at, left, tail[i + 2]);
      rows[i] = tail[i + 2];
    }
    block(tail[0], tail[1], rows);
    std::copy_n(tail[0], left, parameters + at);
    for (std::size_t i = 0; i < States; ++i) std::copy_n(tail[i + 2], left, state + i * stride + at);
  }

  /// g[i * n + j] = <rows[i], rows[j]> for n rows of `size` numbers, in an order that depends on the size alone.
  static void gram(std::span<const T* const> rows, std::size_t size, double* g) { GramProduct<T>::run(rows, size, g); }

  /// to += factor * from
  [[gnu::noinline]] static void axpy(T factor, std::span<const T> from, std::span<T> to) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
  }

 private:
  Crew crew_;
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
