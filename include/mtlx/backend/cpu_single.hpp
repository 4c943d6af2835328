// SPDX-License-Identifier: MIT
// One sample alone on the CPU, for predictions: pixels or outputs take the lanes that samples have in a CpuSlice. Sums are
// in the same order as there.
#pragma once

#include <mtlx/backend/cpu_dense.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/backend/sample.hpp>
#include <mtlx/core/geometry.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// The forward pass of a convolution on one sample. The padded planes are read as one row of pixels, `pitch` to an image
/// row: place q of that row sums x[q + a * pitch + b] weight[a][b], which is a convolution in one dimension. Of its
/// results those are kept that are an output's; the others straddle two rows or lie between two strides.
///
/// Sizes are not known to the compiler here, nor below: one function serves all of a network's layers.
template <class T>
class SingleConvolution {
 public:
  [[gnu::noinline]] static void run(const Convolution& geometry, const T* x, const T* weight, const T* bias, T* y) {
    const SingleConvolution c(geometry);
    const std::unique_ptr<T[]> pixels(new T[static_cast<std::size_t>(c.channels_ * c.length_)]);
    const int plane = c.out_.height * c.out_.width, factors = c.channels_ * c.kernel_ * c.kernel_;
    for (int first = 0; first < c.places_; first += block) {
      c.gather(x, first, pixels.get());
      int o = 0;
      for (; o + filters <= c.out_.channels; o += filters)
        c.template tile<filters>(pixels.get(), weight + o * factors, bias + o, first, y + o * plane);
      for (; o < c.out_.channels; ++o)
        c.template tile<1>(pixels.get(), weight + o * factors, bias + o, first, y + o * plane);
    }
  }

 private:
  static constexpr int filters = 4, packs = accumulators / filters;
  static constexpr int block = packs * lanes<T>;

  explicit SingleConvolution(const Convolution& c)
      : in_(c.in),
        out_(c.out()),
        channels_(c.in.channels),
        kernel_(c.window.kernel),
        stride_(c.window.stride),
        padding_(c.window.padding),
        pitch_(c.in.width + 2 * c.window.padding),
        places_(stride_ * (out_.height - 1) * pitch_ + stride_ * (out_.width - 1) + 1),
        length_(block + (kernel_ - 1) * (pitch_ + 1)) {}

  // The padded pixels [first, first + length) of every channel.
  void gather(const T* x, int first, T* pixels) const {
    // Without padding the whole plane is one row.
    const int row = padding_ > 0 ? in_.width : in_.height * in_.width, rows = padding_ > 0 ? in_.height : 1;
    for (int i = 0; i < channels_; ++i, pixels += length_) {
      std::fill_n(pixels, length_, T(0));
      for (int h = 0; h < rows; ++h) {
        const int start = (h + padding_) * pitch_ + padding_ - first;
        const int begin = std::max(start, 0), end = std::min(start + row, length_);
        if (begin < end) std::copy_n(x + (i * rows + h) * row + (begin - start), end - begin, pixels + begin);
      }
    }
  }

  // The results of some filters at the places from `first` on.
  template <int Filters>
  void tile(const T* pixels, const T* weight, const T* bias, int first, T* y) const {
    Pack<T> sums[Filters][packs];
    const int taps = kernel_ * kernel_;
#pragma GCC unroll 8
    for (int o = 0; o < Filters; ++o)
#pragma GCC unroll 8
      for (int p = 0; p < packs; ++p) sums[o][p] = Pack<T>(bias[o]);
    for (int i = 0; i < channels_; ++i)
      for (int a = 0; a < kernel_; ++a)
        for (int b = 0; b < kernel_; ++b) {
          const T* from = pixels + i * length_ + a * pitch_ + b;
          const T* w = weight + i * taps + a * kernel_ + b;
          Pack<T> numbers[packs];
#pragma GCC unroll 8
          for (int p = 0; p < packs; ++p) numbers[p] = Pack<T>::load(from + p * lanes<T>);
#pragma GCC unroll 8
          for (int o = 0; o < Filters; ++o) {
            const Pack<T> factor(w[o * channels_ * taps]);
#pragma GCC unroll 8
            for (int p = 0; p < packs; ++p) sums[o][p] = fused(numbers[p], factor, sums[o][p]);
          }
        }
    T results[block];
    for (int o = 0; o < Filters; ++o) {
#pragma GCC unroll 8
      for (int p = 0; p < packs; ++p) sums[o][p].store(results + p * lanes<T>);
      scatter(results, first, y + o * out_.height * out_.width);
    }
  }

  // Those of a filter's results that are outputs to their places in y.
  void scatter(const T* results, int first, T* y) const {
    const int next = stride_ * pitch_;
    const auto up = [&](int n) { return n <= 0 ? 0 : (n + stride_ - 1) / stride_; };
    const int last = std::min(out_.height - 1, (first + block - 1) / next);
    for (int r = first / next; r <= last; ++r) {
      const int start = r * next - first, end = std::min(out_.width, up(block - start));
      for (int c = up(-start); c < end; ++c) y[r * out_.width + c] = results[start + c * stride_];
    }
  }

  Shape in_, out_;
  int channels_, kernel_, stride_, padding_, pitch_, places_, length_;
};

/// y[n] = bias[n] + sum_k x[k] weight[k * out + n] on one sample, outputs in lanes.
template <class T>
struct SingleDense {
  [[gnu::noinline]] static void run(int in, int out, const T* x, const T* weight, const T* bias, T* y) {
    constexpr int lane = lanes<T>;
    int n = 0;
    for (; n + 4 * lane <= out; n += 4 * lane) tile<4>(in, out, x, weight + n, bias + n, y + n);
    for (; n + lane <= out; n += lane) tile<1>(in, out, x, weight + n, bias + n, y + n);
    if (n == out) return;
    // What is left ends with the last output; it does some again.
    if (out >= lane) return tile<1>(in, out, x, weight + out - lane, bias + out - lane, y + out - lane);
    // The lanes left over take what lies behind a row of weights; behind the last ones nothing need lie.
    T row[lane] = {};
    std::copy_n(bias, out, row);
    Pack<T> sums = Pack<T>::load(row);
    for (int k = 0; k < in; ++k) {
      const T* w = weight + k * out;
      if (k * out + lane > in * out) w = std::copy_n(w, out, row) - out;
      sums = fused(Pack<T>::load(w), Pack<T>(x[k]), sums);
    }
    sums.store(row);
    std::copy_n(row, out, y);
  }

 private:
  template <int Packs>
  [[gnu::always_inline]] static void tile(int in, int out, const T* x, const T* weight, const T* bias, T* y) {
    Pack<T> sums[Packs];
#pragma GCC unroll 4
    for (int p = 0; p < Packs; ++p) sums[p] = Pack<T>::load(bias + p * lanes<T>);
    for (int k = 0; k < in; ++k) {
      const Pack<T> number(x[k]);
#pragma GCC unroll 4
      for (int p = 0; p < Packs; ++p) sums[p] = fused(Pack<T>::load(weight + k * out + p * lanes<T>), number, sums[p]);
    }
#pragma GCC unroll 4
    for (int p = 0; p < Packs; ++p) sums[p].store(y + p * lanes<T>);
  }
};

/// y[i][r][c] = the largest x in the window at (r, c), NaN if there is one. The padding never wins.
template <class T>
[[gnu::noinline]] void single_max_pool(const Pooling& pooling, const T* x, T* y) {
  const auto [kernel, stride, padding] = pooling.window;
  const Shape in = pooling.in, out = pooling.out();
  constexpr auto larger = [](T best, T number) { return number > best || number != number ? number : best; };
  const std::unique_ptr<T[]> memory(new T[static_cast<std::size_t>(in.width)]);
  T* const columns = memory.get();  // the largest of the window's rows
  for (int i = 0; i < in.channels; ++i, x += in.height * in.width)
    for (int r = 0; r < out.height; ++r) {
      const int top = std::max(r * stride - padding, 0), bottom = std::min(r * stride - padding + kernel, in.height);
      std::copy_n(x + top * in.width, in.width, columns);
      for (int h = top + 1; h < bottom; ++h)
        for (int w = 0; w < in.width; ++w) columns[w] = larger(columns[w], x[h * in.width + w]);
      for (int c = 0; c < out.width; ++c) {
        const int left = std::max(c * stride - padding, 0), right = std::min(c * stride - padding + kernel, in.width);
        T best = columns[left];
        for (int w = left + 1; w < right; ++w) best = larger(best, columns[w]);
        *y++ = best;
      }
    }
}

/// One sample, its features in a row, for forward passes alone: a pooling leaves no winners.
template <class T>
struct SingleSlice : PlainSlice<T> {
  using typename PlainSlice<T>::ConstView, typename PlainSlice<T>::View;
  // Code for one sample gets its numbers in all lanes: exp and the like give the bits that they give in a slice.
  using Number = Pack<T>;

  static Number read(const T* from) { return Number(*from); }
  static void write(T* to, Number number) { *to = number[0]; }
  static void accumulate(T* to, Number number) { *to += number[0]; }

  template <int In, int Out>
  static void dense_forward(const T* weight, const T* bias, ConstView x, View y) {
    SingleDense<T>::run(In, Out, x.data, weight, bias, y.data);
  }
  template <Convolution C>
  static void convolution_forward(const T* weight, const T* bias, ConstView x, View y) {
    SingleConvolution<T>::run(C, x.data, weight, bias, y.data);
  }
  template <Pooling P>
  static void max_pool_forward(ConstView x, View y, View) {
    single_max_pool<T>(P, x.data, y.data);
  }

  struct Lane {
    LaneView<SingleSlice> at(View view) const { return {view.data}; }
    ConstLaneView<SingleSlice> at(ConstView view) const { return {view.data}; }
    std::array<Number, 4> uniform(const Draws& draws, std::uint32_t block) const {
      const auto words = draws.words(0, block);
      return {Number(unit_float(words[0])), Number(unit_float(words[1])), Number(unit_float(words[2])),
              Number(unit_float(words[3]))};
    }
  };
  template <class Function>
  static void for_each_lane(Function&& function) {
    function(Lane{});
  }
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
