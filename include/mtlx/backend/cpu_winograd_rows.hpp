// SPDX-License-Identifier: MIT
// Convolutions of few channels with fewer multiplications, sample in lane: Winograd's tiles in one direction. A row of m
// outputs takes n = m + k - 1 products for each row of taps, in the place of m k,
//
//   y[r] = Aᵀ sum_{i,a} (G w[i][a]) ⊙ (Bᵀ x[i][r + a]),      dw[i][a] = Gᵀ sum_r (Bᵀ x[i][r + a]) ⊙ (A dy[r]),
//
// i an input channel, r a row, a a row of taps. Transforms in both directions (cpu_winograd.hpp) would take more
// operations than they save where no channels share them. Points are taken in pairs, so that all sums of a tile of
// outputs, or all products of two filters' taps, stay in registers. Reference: see cpu_winograd.hpp.
#pragma once

#include <mtlx/backend/cpu_winograd.hpp>

#include <algorithm>
#include <cstddef>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// How WinogradRows cuts its work: points of a tile, outputs that it has, tiles of a row, rows of pixels, padding and what
/// rounds the outputs' rows up to pairs included.
struct WinogradRowsCut {
  int n, m, across, rows;

  constexpr explicit WinogradRowsCut(const Convolution& c)
      : n(winograd_points(c.window.kernel, c.out().width)),
        m(n + 1 - c.window.kernel),
        across((c.out().width + m - 1) / m),
        rows((c.out().height + 1) / 2 * 2 + c.window.kernel - 1) {}
};

/// Whether a convolution that winograd_pays does not hold for is faster by tiles in one direction, by operations for a
/// register of samples; the constants are measured. With 16 registers much is loaded twice.
constexpr bool winograd_rows_pay(const Convolution& c, std::size_t register_size, int registers) {
  const int kernel = c.window.kernel;
  if (c.window.stride != 1 || (kernel != 3 && kernel != 5)) return false;
  const WinogradRowsCut cut(c);
  const double channels = c.in.channels, filters = c.filters;
  const double between = channels * cut.rows * cut.across * cut.n;
  const double products = filters * c.out().height * cut.across * (channels * kernel * cut.n + 1.5 * cut.m);
  const double direct = filters * channels * kernel * kernel * c.out().height * c.out().width;
  // What lies on the stack: the pixels' transform, and the weights' or their gradient's in double at most.
  const double stack = between * static_cast<double>(register_size) + filters * channels * kernel * cut.n * 8;
  return stack < 655360 && (registers < 32 ? 1.25 : 1) * (1.1 * products + 5 * between) < direct;
}

/// A convolution forward and backward to its weights by tiles in one direction.
template <class T, int Width, Convolution C>
struct WinogradRows {
  using Number = Pack<T>;
  static constexpr int kernel = C.window.kernel, padding = C.window.padding;
  static constexpr int in_h = C.in.height, in_w = C.in.width, in_c = C.in.channels;
  static constexpr int out_h = C.out().height, out_w = C.out().width;
  static constexpr WinogradRowsCut cut{C};
  static constexpr int n = cut.n, m = cut.m, across = cut.across, rows = cut.rows, pairs = n / 2;
  using Line = WinogradLine<T, n>;
  static constexpr int row = across * 2 * lanes<T>;  // numbers of a row at a pair of points
  static constexpr int channel = pairs * rows * row;
  // Taps' sums of so many filters stay in registers.
  static constexpr int together = std::clamp(accumulators / (2 * kernel), 1, C.filters);

  alignas(register_bytes) static constexpr T nothing[lanes<T>] = {};

  // G of a row of taps.
  static constexpr WinogradTable<WinogradTable<double, kernel>, n> factors = [] {
    WinogradTable<WinogradTable<double, kernel>, n> found{};
    for (int e = 0; e < n; ++e)
      for (int b = 0; b < kernel; ++b) found[e][b] = Line::scale[e] * Line::monomial(e, b, kernel);
    return found;
  }();

  // v[i][pair][row][tile][2] = Bᵀ x of every tile, rows of padding included.
  [[gnu::noinline]] static void transform_pixels(const T* x, T* v) {
    for (int i = 0; i < in_c; ++i, v += channel)
      for (int h = 0; h < rows; ++h)
        for (int t = 0; t < across; ++t) {
          const T* from = x + ((i * in_h + h - padding) * in_w + t * m - padding) * Width;
          Number line[n], points[n];
#pragma GCC unroll 8
          for (int j = 0; j < n; ++j) {
            const int column = t * m + j - padding;
            const bool inside = h >= padding && h < in_h + padding && column >= 0 && column < in_w;
            line[j] = Number::load(inside ? from + j * Width : nothing);
          }
          Line::interpolate(line, points);
#pragma GCC unroll 4
          for (int e = 0; e < pairs; ++e) {
            T* to = v + (e * rows + h) * row + t * 2 * lanes<T>;
            points[Line::first(e)].store(to);
            points[Line::second(e)].store(to + lanes<T>);
          }
        }
  }

  // Outputs of a filter in two rows from output (r, tile t) on.
  [[gnu::always_inline]] static void tile(const T* v, const T* u, T bias, T* y, int r, int t) {
    Number outputs[2][m];
    const auto add = [&](int e) __attribute__((always_inline)) {
      Number sums[2][2];
#pragma GCC unroll 2
      for (int q = 0; q < 2; ++q) sums[q][0] = sums[q][1] = Number(T(0));
      for (int i = 0; i < in_c; ++i) {
        const T* from = v + i * channel + (e * rows + r) * row + t * 2 * lanes<T>;
        // Two rows of pixels in hand: each tap serves both rows of outputs.
        Number one[2], other[2];
        one[0] = Number::hold(from), other[0] = Number::hold(from + lanes<T>);
#pragma GCC unroll 5
        for (int a = 0; a < kernel; ++a) {
          one[(a + 1) % 2] = Number::hold(from + (a + 1) * row);
          other[(a + 1) % 2] = Number::hold(from + (a + 1) * row + lanes<T>);
          const T* w = u + (i * kernel + a) * n;
          const Number to_one(w[Line::first(e)]), to_other(w[Line::second(e)]);
#pragma GCC unroll 2
          for (int q = 0; q < 2; ++q) {
            sums[q][0] = fused(one[(a + q) % 2], to_one, sums[q][0]);
            sums[q][1] = fused(other[(a + q) % 2], to_other, sums[q][1]);
          }
        }
      }
#pragma GCC unroll 2
      for (int q = 0; q < 2; ++q) Line::collect(e, sums[q][0], sums[q][1], outputs[q]);
    };
    add(0);
#pragma GCC unroll 1
    for (int e = 1; e < pairs; ++e) add(e);
#pragma GCC unroll 2
    for (int q = 0; q < 2; ++q) {
      if (r + q >= out_h) break;
#pragma GCC unroll 6
      for (int b = 0; b < m; ++b)
        if (t * m + b < out_w) (outputs[q][b] + Number(bias)).store(y + ((r + q) * out_w + t * m + b) * Width);
    }
  }

  [[gnu::noinline]] static void forward(const T* x, const T* weight, const T* bias, T* y) {
    alignas(register_bytes) T v[in_c * channel], u[C.filters * in_c * kernel * n];
    for (int line = 0; line < C.filters * in_c * kernel; ++line)
      for (int e = 0; e < n; ++e) {
        T sum = 0;
        for (int b = 0; b < kernel; ++b) sum += static_cast<T>(factors[e][b]) * weight[line * kernel + b];
        u[line * n + e] = sum;
      }
    for (int p = 0; p < Width; p += lanes<T>) {
      transform_pixels(x + p, v);
      for (int r = 0; r < out_h; r += 2)
        for (int t = 0; t < across; ++t)
          for (int o = 0; o < C.filters; ++o)
            tile(v, u + o * in_c * kernel * n, bias[o], y + o * out_h * out_w * Width + p, r, t);
    }
  }

  // du[o][i][a][point] += the sum over samples, rows and tiles, at a pair of points. The biases' sums come along with
  // pair 0, which has time for them.
  template <int Filters, bool zero>
  [[gnu::noinline]] static void multiply(int pair, const T* v, const T* dy, T* du, T* dbias) {
    constexpr int count = Filters * (2 * kernel + 1);
    Number sums[Filters][kernel][2], total[Filters], powers[m];
    if constexpr (!zero) Line::powers(pair, powers);
#pragma GCC unroll 8
    for (int o = 0; o < Filters; ++o) {
      total[o] = Number(T(0));
#pragma GCC unroll 5
      for (int a = 0; a < kernel; ++a) sums[o][a][0] = sums[o][a][1] = Number(T(0));
    }
    for (int r = 0; r < out_h; ++r)
      for (int t = 0; t < across; ++t) {
        Number one[Filters], other[Filters];
#pragma GCC unroll 8
        for (int o = 0; o < Filters; ++o) {
          Number deltas[m];
#pragma GCC unroll 6
          for (int b = 0; b < m; ++b) {
            const bool inside = out_w % m == 0 || t * m + b < out_w;
            deltas[b] = Number::hold(inside ? dy + ((o * out_h + r) * out_w + t * m + b) * Width : nothing);
            if (zero) total[o] += deltas[b];
          }
          if constexpr (zero)
            one[o] = deltas[0], other[o] = deltas[m - 1];
          else
            Line::evaluate(powers, deltas, one[o], other[o]);
        }
        const T* from = v + r * row + t * 2 * lanes<T>;
#pragma GCC unroll 5
        for (int a = 0; a < kernel; ++a) {
          const Number first = Number::hold(from + a * row), second = Number::hold(from + a * row + lanes<T>);
#pragma GCC unroll 8
          for (int o = 0; o < Filters; ++o) {
            sums[o][a][0] = fused(first, one[o], sums[o][a][0]);
            sums[o][a][1] = fused(second, other[o], sums[o][a][1]);
          }
        }
      }
    alignas(register_bytes) T parts[count * lanes<T>];
#pragma GCC unroll 8
    for (int o = 0; o < Filters; ++o) {
      T* to = parts + o * (2 * kernel + 1) * lanes<T>;
#pragma GCC unroll 5
      for (int a = 0; a < kernel; ++a) {
        sums[o][a][0].store(to + 2 * a * lanes<T>);
        sums[o][a][1].store(to + (2 * a + 1) * lanes<T>);
      }
      total[o].store(to + 2 * kernel * lanes<T>);
    }
    T lines[count] = {};
    add_sums<T, lanes<T>, count>(parts, lines);
    for (int o = 0; o < Filters; ++o) {
      const T* line = lines + o * (2 * kernel + 1);
      for (int a = 0; a < kernel; ++a) {
        T* to = du + (o * in_c * kernel + a) * n;
        to[Line::first(pair)] += line[2 * a];
        to[Line::second(pair)] += line[2 * a + 1];
      }
      if (zero && dbias != nullptr) dbias[o] += line[2 * kernel];
    }
  }

  template <int Filters>
  static void multiply(const T* v, const T* dy, T* du, T* dbias) {
    for (int i = 0; i < in_c; ++i, v += channel, du += kernel * n) {
      multiply<Filters, true>(0, v, dy, du, i == 0 ? dbias : nullptr);
      for (int e = 1; e < pairs; ++e) multiply<Filters, false>(e, v + e * rows * row, dy, du, nullptr);
    }
  }

  /// The biases' gradient comes along.
  [[gnu::noinline]] static void backward_parameters(const T* x, const T* dy, T* dweight, T* dbias) {
    alignas(register_bytes) T v[in_c * channel], du[C.filters * in_c * kernel * n] = {};
    constexpr int even = C.filters / together * together, apart = in_c * kernel * n, plane = out_h * out_w * Width;
    for (int p = 0; p < Width; p += lanes<T>) {
      transform_pixels(x + p, v);
      for (int o = 0; o < even; o += together) multiply<together>(v, dy + o * plane + p, du + o * apart, dbias + o);
      if constexpr (even < C.filters)
        multiply<C.filters - even>(v, dy + even * plane + p, du + even * apart, dbias + even);
    }
    for (int line = 0; line < C.filters * in_c * kernel; ++line)
      for (int b = 0; b < kernel; ++b)
        for (int e = 0; e < n; ++e) dweight[line * kernel + b] += static_cast<T>(factors[e][b]) * du[line * n + e];
  }
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
