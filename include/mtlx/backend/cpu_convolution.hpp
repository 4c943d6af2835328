// SPDX-License-Identifier: MIT
// Convolution on a slice, sample in lane: no im2col, no packing; each pixel of each channel is one register of samples,
// so that small channel counts cost nothing. Indices: i input channel, o filter, (r, c) pixel of the output, (a, b) tap.
#pragma once

#include <mtlx/backend/cpu_dense.hpp>
#include <mtlx/core/geometry.hpp>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// y[o][r][c] = bias[o] + sum_{i,a,b} x[i][r*stride + a - padding][c*stride + b - padding] weight[o][i][a][b]
template <class T, int Width, Convolution C>
struct ConvolutionForward {
  static constexpr int kernel = C.window.kernel, stride = C.window.stride, padding = C.window.padding;
  static constexpr int in_h = C.in.height, in_w = C.in.width, in_c = C.in.channels;
  static constexpr int out_h = C.out().height, out_w = C.out().width;
  static constexpr int taps = kernel * kernel;

  struct Tile {
    int filters, columns;
  };
  static constexpr Tile tile_size = [] {
    // Cost of a tile in instructions per tap: one multiply-add per result and one load per column; remainders cost
    // what a whole tile costs, so that tiles which divide the output win.
    Tile best{1, 1};
    double least = 1e30;
    for (int f = 1; f <= std::min(C.filters, 8); ++f)
      for (int c = 1; c <= std::min(out_w, 8); ++c) {
        if (f * c + c > accumulators + 4 || f * c > accumulators) continue;
        const double tiles = double((C.filters + f - 1) / f) * double((out_w + c - 1) / c);
        const double cost = tiles * (f * c + c + 0.5 * f + (f * c < 8 ? 8 - f * c : 0));
        if (cost < least) least = cost, best = {f, c};
      }
    return best;
  }();

  template <int Filters, int Columns, bool Border>
  [[gnu::always_inline]] static void tile(const T* x, const T* weight, const T* bias, T* y, int r, int c) {
    Pack<T> sums[Filters][Columns];
#pragma GCC unroll 8
    for (int o = 0; o < Filters; ++o)
#pragma GCC unroll 8
      for (int j = 0; j < Columns; ++j) sums[o][j] = Pack<T>(bias[o]);
    for (int i = 0; i < in_c; ++i)
      for (int a = 0; a < kernel; ++a) {
        const int row = r * stride + a - padding;
        if (padding > 0 && (row < 0 || row >= in_h)) continue;
        const T* from = x + ((i * in_h + row) * in_w + c * stride - padding) * Width;
        const T* w = weight + i * taps + a * kernel;
#pragma GCC unroll 16
        for (int b = 0; b < kernel; ++b) {
          Pack<T> numbers[Columns];
#pragma GCC unroll 8
          for (int j = 0; j < Columns; ++j) {
            const int column = (c + j) * stride + b - padding;
            numbers[j] = Border && (column < 0 || column >= in_w) ? Pack<T>(T(0))
                                                                  : Pack<T>::load(from + (j * stride + b) * Width);
          }
#pragma GCC unroll 8
          for (int o = 0; o < Filters; ++o) {
            const Pack<T> factor(w[o * in_c * taps + b]);
#pragma GCC unroll 8
            for (int j = 0; j < Columns; ++j) sums[o][j] = fused(numbers[j], factor, sums[o][j]);
          }
        }
      }
#pragma GCC unroll 8
    for (int o = 0; o < Filters; ++o)
#pragma GCC unroll 8
      for (int j = 0; j < Columns; ++j) sums[o][j].store(y + ((o * out_h + r) * out_w + c + j) * Width);
  }

  template <int Filters, int Columns>
  static void column(const T* x, const T* weight, const T* bias, T* y, int r, int c) {
    for (int p = 0; p < Width; p += lanes<T>) {
      if constexpr (padding > 0) {
        if (c * stride < padding || (c + Columns - 1) * stride + kernel - 1 - padding >= in_w) {
          tile<Filters, Columns, true>(x + p, weight, bias, y + p, r, c);
          continue;
        }
      }
      tile<Filters, Columns, false>(x + p, weight, bias, y + p, r, c);
    }
  }

  template <int Filters>
  [[gnu::noinline]] static void filters(const T* x, const T* weight, const T* bias, T* y) {
    constexpr int columns = tile_size.columns;
    constexpr int even = out_w / columns * columns;
    for (int r = 0; r < out_h; ++r) {
      for (int c = 0; c < even; c += columns) column<Filters, columns>(x, weight, bias, y, r, c);
      if constexpr (even < out_w) column<Filters, out_w - even>(x, weight, bias, y, r, even);
    }
  }

  static void run(const T* x, const T* weight, const T* bias, T* y) {
    constexpr int step = tile_size.filters;
    constexpr int even = C.filters / step * step;
    constexpr int plane = out_h * out_w * Width;
    for (int o = 0; o < even; o += step) filters<step>(x, weight + o * in_c * taps, bias + o, y + o * plane);
    if constexpr (even < C.filters)
      filters<C.filters - even>(x, weight + even * in_c * taps, bias + even, y + even * plane);
  }
};

/// dx[i][h][w] = sum over the outputs (r, c) and taps (a, b) with r*stride + a - padding = h, c*stride + b - padding = w
/// of dy[o][r][c] weight[o][i][a][b]. A tile of input columns collects from each output column that reaches it.
template <class T, int Width, Convolution C>
struct ConvolutionInputGradient {
  static constexpr int kernel = C.window.kernel, stride = C.window.stride, padding = C.window.padding;
  static constexpr int in_h = C.in.height, in_w = C.in.width, in_c = C.in.channels;
  static constexpr int out_h = C.out().height, out_w = C.out().width;
  static constexpr int taps = kernel * kernel;
  // A tile starts at a multiple of the stride, so that which taps reach which column is known to the compiler.
  static constexpr int columns = [] {
    const int most = std::max(1, std::min(in_w, register_count == 32 ? 12 : 6) / stride) * stride;
    for (int tile = most; tile > most / 2 && tile >= stride; tile -= stride)
      if (in_w % tile == 0) return tile;
    return most;
  }();
  static constexpr int channels = std::clamp(accumulators / columns, 1, std::min(in_c, 4));

  template <int Channels, int Columns>
  [[gnu::always_inline]] static void tile(const T* dy, const T* weight, T* dx, int h, int w) {
    // Output columns from first to last reach the tile; relative to w / stride they are the same for every tile.
    constexpr int first = -((kernel - 1 - padding) >= 0 ? (kernel - 1 - padding) / stride : 0);
    constexpr int last = (Columns - 1 + padding) / stride;
    Pack<T> sums[Channels][Columns];
#pragma GCC unroll 4
    for (int i = 0; i < Channels; ++i)
#pragma GCC unroll 16
      for (int j = 0; j < Columns; ++j) sums[i][j] = Pack<T>(T(0));
    for (int o = 0; o < C.filters; ++o)
      for (int a = 0; a < kernel; ++a) {
        const int row = h + padding - a;
        if (row < 0 || row % stride != 0 || row / stride >= out_h) continue;
        const T* from = dy + (o * out_h + row / stride) * out_w * Width;
        const T* factors = weight + o * in_c * taps + a * kernel;
#pragma GCC unroll 32
        for (int j = first; j <= last; ++j) {
          const int c = w / stride + j;
          if (c < 0 || c >= out_w) continue;
          const Pack<T> delta = Pack<T>::load(from + c * Width);
#pragma GCC unroll 4
          for (int i = 0; i < Channels; ++i)
#pragma GCC unroll 16
            for (int b = 0; b < kernel; ++b) {
              const int to = j * stride + b - padding;
              if (to >= 0 && to < Columns) sums[i][to] = fused(delta, Pack<T>(factors[i * taps + b]), sums[i][to]);
            }
        }
      }
#pragma GCC unroll 4
    for (int i = 0; i < Channels; ++i)
#pragma GCC unroll 16
      for (int j = 0; j < Columns; ++j) sums[i][j].store(dx + ((i * in_h + h) * in_w + w + j) * Width);
  }

  template <int Channels>
  [[gnu::noinline]] static void rows(const T* dy, const T* weight, T* dx) {
    constexpr int even = in_w / columns * columns;
    for (int h = 0; h < in_h; ++h)
      for (int p = 0; p < Width; p += lanes<T>) {
        for (int w = 0; w < even; w += columns) tile<Channels, columns>(dy + p, weight, dx + p, h, w);
        if constexpr (even < in_w) tile<Channels, in_w - even>(dy + p, weight, dx + p, h, even);
      }
  }

  static void run(const T* dy, const T* weight, T* dx) {
    constexpr int even = in_c / channels * channels;
    constexpr int plane = in_h * in_w * Width;
    for (int i = 0; i < even; i += channels) rows<channels>(dy, weight + i * taps, dx + i * plane);
    if constexpr (even < in_c) rows<in_c - even>(dy, weight + even * taps, dx + even * plane);
  }
};

/// dweight[o][i][a][b] += sum_{s,r,c} x[i][r*stride + a - padding][c*stride + b - padding] dy[o][r][c]
template <class T, int Width, Convolution C>
struct ConvolutionWeightGradient {
  static constexpr int kernel = C.window.kernel, stride = C.window.stride, padding = C.window.padding;
  static constexpr int in_h = C.in.height, in_w = C.in.width, in_c = C.in.channels;
  static constexpr int out_h = C.out().height, out_w = C.out().width;
  static constexpr int taps = kernel * kernel;
  // One row of taps for several filters: wide kernels are cut into strips that fit the registers.
  static constexpr int strip = std::min(kernel, accumulators / 2);
  static constexpr int filters = [] {
    const int most = std::clamp((accumulators + 1) / strip, 1, std::min(C.filters, 8));
    for (int tile = most; tile > most / 2; --tile)
      if (C.filters % tile == 0) return tile;
    return most;
  }();

  template <int Filters, int Strip, bool Border>
  [[gnu::always_inline]] static void pixel(const T* from, const T* delta, int column, Pack<T> (&sums)[Filters][Strip]) {
    Pack<T> deltas[Filters];
#pragma GCC unroll 8
    for (int o = 0; o < Filters; ++o) deltas[o] = Pack<T>::load(delta + o * out_h * out_w * Width);
#pragma GCC unroll 12
    for (int b = 0; b < Strip; ++b) {
      if (Border && (column + b < 0 || column + b >= in_w)) continue;
      const Pack<T> number = Pack<T>::load(from + b * Width);
#pragma GCC unroll 8
      for (int o = 0; o < Filters; ++o) sums[o][b] = fused(number, deltas[o], sums[o][b]);
    }
  }

  template <int Filters, int Strip>
  [[gnu::noinline]] static void taps_row(const T* x, const T* dy, T* dweight, int a, int first) {
    // Output columns in [begin, end) read inside the image with every tap of the strip.
    constexpr auto up = [](int n) { return n <= 0 ? 0 : (n + stride - 1) / stride; };
    const int begin = std::min(out_w, up(padding - first));
    const int room = in_w - Strip + padding - first;
    const int end = std::clamp(room < 0 ? 0 : room / stride + 1, begin, out_w);
    Pack<T> sums[Filters][Strip];
#pragma GCC unroll 8
    for (int o = 0; o < Filters; ++o)
#pragma GCC unroll 12
      for (int b = 0; b < Strip; ++b) sums[o][b] = Pack<T>(T(0));
    for (int r = 0; r < out_h; ++r) {
      const int row = r * stride + a - padding;
      if (padding > 0 && (row < 0 || row >= in_h)) continue;
      for (int p = 0; p < Width; p += lanes<T>) {
        const T* from = x + (row * in_w + first - padding) * Width + p;
        const T* delta = dy + r * out_w * Width + p;
        if constexpr (padding > 0)
          for (int c = 0; c < begin; ++c)
            pixel<Filters, Strip, true>(from + c * stride * Width, delta + c * Width, c * stride + first - padding,
                                        sums);
        for (int c = begin; c < end; ++c)
          pixel<Filters, Strip, false>(from + c * stride * Width, delta + c * Width, 0, sums);
        if constexpr (padding > 0)
          for (int c = end; c < out_w; ++c)
            pixel<Filters, Strip, true>(from + c * stride * Width, delta + c * Width, c * stride + first - padding,
                                        sums);
      }
    }
    for (int o = 0; o < Filters; ++o)
      for (int b = 0; b < Strip; ++b) dweight[o * in_c * taps + b] += sum(sums[o][b]);
  }

  template <int Filters>
  static void channels(const T* x, const T* dy, T* dweight) {
    constexpr int even = kernel / strip * strip;
    for (int i = 0; i < in_c; ++i)
      for (int a = 0; a < kernel; ++a) {
        const T* image = x + i * in_h * in_w * Width;
        T* to = dweight + i * taps + a * kernel;
        for (int first = 0; first < even; first += strip) taps_row<Filters, strip>(image, dy, to + first, a, first);
        if constexpr (even < kernel) taps_row<Filters, kernel - even>(image, dy, to + even, a, even);
      }
  }

  static void run(const T* x, const T* dy, T* dweight) {
    constexpr int even = C.filters / filters * filters;
    constexpr int plane = out_h * out_w * Width;
    for (int o = 0; o < even; o += filters) channels<filters>(x, dy + o * plane, dweight + o * in_c * taps);
    if constexpr (even < C.filters) channels<C.filters - even>(x, dy + even * plane, dweight + even * in_c * taps);
  }
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
