// SPDX-License-Identifier: MIT
// Convolutions with fewer multiplications, sample in lane. Outputs come in tiles of m x m with m + k - 1 = 6 for a kernel
// k; with the 6 points 0, ±p, ±q and infinity, a tile's polynomial products are found by their values at the points:
//
//   y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ x B) ] A,        36 multiplications in the place of (7 - k)² k²,
//
// x : (6, 6) pixels, w : (k, k) taps, y : (m, m). A and G evaluate polynomials of m and k coefficients, G with each point's
// scale, and Bᵀ is the transposed inverse of evaluating 6. Channels are summed between the transforms, at each of the 36
// points, as a dense layer sums its inputs. The gradients are the adjoints:
//
//   dx = B [ (G w Gᵀ) ⊙ (A dy Aᵀ) ] Bᵀ, tiles added where they overlap;   dw = Gᵀ [ sum (Bᵀ x B) ⊙ (A dy Aᵀ) ] G.
//
// Points ±3/4 and ±3/2 in the usual ones' place (±1, ±2) make all of Bᵀ and A exact, and errors a half to a quarter.
// Reference: Winograd, "Arithmetic Complexity of Computations", SIAM 1980; Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", CVPR 2016, eq. 8 (F(m x m, k x k)); on points, Barabasz et al., "Error Analysis and
// Improving the Accuracy of Winograd Convolution for Deep Neural Networks", ACM TOMS 46 (2020).
#pragma once

#include <mtlx/backend/cpu_dense.hpp>
#include <mtlx/core/geometry.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// The transforms in one direction, on numbers for the 6 points in the order 0, p, -p, q, -q, infinity.
template <class T>
struct WinogradLine {
  using Number = Pack<T>;
  static constexpr double p = 0.75, q = 1.5;
  /// What the values of w at a point are multiplied by: 1 over the product of its distances to the other points.
  static constexpr double scale[6] = {1 / (p * p * q * q),
                                      1 / (2 * p * p * (p * p - q * q)),
                                      1 / (2 * p * p * (p * p - q * q)),
                                      1 / (2 * q * q * (q * q - p * p)),
                                      1 / (2 * q * q * (q * q - p * p)),
                                      1};

  static constexpr double p_to[5] = {1, p, p* p, p* p* p, p* p* p* p};
  static constexpr double q_to[5] = {1, q, q* q, q* q* q, q* q* q* q};

  /// A or G less its scale: the polynomial of the coefficients at the points.
  template <int count>
  [[gnu::always_inline]] static void evaluate(const Number (&from)[count], Number (&to)[6]) {
    to[0] = from[0];
    values<count>(p_to, from, to[1], to[2]);
    values<count>(q_to, from, to[3], to[4]);
    to[5] = from[count - 1];
  }
  /// Its adjoint, Aᵀ or Gᵀ.
  template <int count>
  [[gnu::always_inline]] static void collect(const Number (&from)[6], Number (&to)[count]) {
    const Number even_p = from[1] + from[2], odd_p = from[1] - from[2];
    const Number even_q = from[3] + from[4], odd_q = from[3] - from[4];
    to[0] = from[0] + even_p + even_q;
#pragma GCC unroll 6
    for (int j = 1; j < count; ++j)
      to[j] = fused(Number(p_to[j]), j % 2 == 0 ? even_p : odd_p, Number(q_to[j]) * (j % 2 == 0 ? even_q : odd_q));
    to[count - 1] += from[5];
  }
  /// Bᵀ
  [[gnu::always_inline]] static void interpolate(const Number (&x)[6], Number (&to)[6]) {
    to[0] = fused(Number(p * p * q * q), x[0], fused(Number(-p * p - q * q), x[2], x[4]));
    between(p, q, x, to[1], to[2]);
    between(q, p, x, to[3], to[4]);
    to[5] = fused(Number(p * p * q * q), x[1], fused(Number(-p * p - q * q), x[3], x[5]));
  }
  /// Its adjoint, B.
  [[gnu::always_inline]] static void spread(const Number (&from)[6], Number (&to)[6]) {
    const Number even_p = from[1] + from[2], odd_p = from[1] - from[2];
    const Number even_q = from[3] + from[4], odd_q = from[3] - from[4];
    const Number all(p * p * q * q), some(-p * p - q * q);
    to[0] = all * from[0];
    to[1] = fused(Number(-p * q * q), odd_p, fused(Number(-q * p * p), odd_q, all * from[5]));
    to[2] = fused(Number(-q * q), even_p, fused(Number(-p * p), even_q, some * from[0]));
    to[3] = fused(Number(p), odd_p, fused(Number(q), odd_q, some * from[5]));
    to[4] = from[0] + even_p + even_q;
    to[5] = from[5];
  }

 private:
  // The polynomial at x and at -x, from the powers of x.
  template <int count>
  [[gnu::always_inline]] static void values(const double (&x_to)[5], const Number (&from)[count], Number& plus,
                                            Number& minus) {
    Number even = from[0], odd = Number(x_to[1]) * from[1];
#pragma GCC unroll 6
    for (int j = 2; j < count; ++j) {
      Number& sum = j % 2 == 0 ? even : odd;
      sum = fused(Number(x_to[j]), from[j], sum);
    }
    plus = even + odd;
    minus = even - odd;
  }
  [[gnu::always_inline]] static void between(double at, double other, const Number (&x)[6], Number& plus,
                                             Number& minus) {
    const Number even = fused(Number(-other * other), x[2], x[4]), odd = fused(Number(-other * other), x[1], x[3]);
    plus = fused(Number(at), odd, even);
    minus = fused(Number(-at), odd, even);
  }
};

/// Which way a `Cpu` convolves.
enum class Convolving {
  automatic,  ///< by tiles where that takes clearly fewer operations, else directly
  direct      ///< always as the sum reads: less rounding
};

/// How Winograd cuts its work: tiles of a block, neighbours in a row, and tiles that the weights' gradient sums at once.
/// Of more tiles the products make more of each weight, as long as what lies between the stages stays in the cache.
struct WinogradBlocks {
  int tiles, wide;
  std::size_t stack;  ///< bytes of it that a pass takes, at most

  constexpr WinogradBlocks(const Convolution& c, std::size_t register_size, std::size_t number_size) {
    const std::size_t both = static_cast<std::size_t>(c.in.channels + c.filters);
    const auto between = [&](int count) { return 36 * both * static_cast<std::size_t>(count) * register_size; };
    const int across = (c.out().width + 6 - c.window.kernel) / (7 - c.window.kernel);
    tiles = (across + 3) / 4 * 4 <= (across + 1) / 2 * 2 && between(4) <= 655360 ? 4 : 2;
    wide = between(8) <= 655360 ? 8 : 4;
    stack = between(wide) + 36 * static_cast<std::size_t>(c.in.channels * c.filters) * number_size;
  }
};

/// Whether a convolution is faster by tiles, by operations for a register of samples; the constants are measured. Below 8
/// channels or filters it hardly is, and rounding would be several times that of the short direct sums.
constexpr bool winograd_pays(const Convolution& c, std::size_t register_size, std::size_t number_size) {
  const int kernel = c.window.kernel, m = 7 - kernel;
  if (c.window.stride != 1 || (kernel != 3 && kernel != 5) || std::min(c.in.channels, c.filters) < 8) return false;
  const WinogradBlocks blocks(c, register_size, number_size);
  const int tiles = (c.out().width + m * blocks.tiles - 1) / (m * blocks.tiles) * blocks.tiles;
  const double pairs = double(c.in.channels) * c.filters, both = c.in.channels + c.filters;
  const double direct = pairs * kernel * kernel * c.out().height * c.out().width;
  return blocks.stack < 1900000 && 1.15 * ((c.out().height + m - 1) / m) * tiles * (40 * pairs + 150 * both) < direct;
}

/// A convolution's three passes by tiles. A block of neighbouring tiles of one row goes through all three stages, so that
/// what lies between them stays in the cache; it lies on the stack. There must be as many pairs of a channel and a filter
/// as a register has lanes, which winograd_pays sees to.
template <class T, int Width, Convolution C>
struct Winograd {
  using Line = WinogradLine<T>;
  using Number = Pack<T>;
  static constexpr int kernel = C.window.kernel, padding = C.window.padding, m = 7 - kernel;
  static constexpr int in_h = C.in.height, in_w = C.in.width, in_c = C.in.channels;
  static constexpr int out_h = C.out().height, out_w = C.out().width, filters = C.filters;
  static constexpr int taps = kernel * kernel, pairs = filters * in_c;
  static constexpr int down = (out_h + m - 1) / m, across = (out_w + m - 1) / m;
  static constexpr WinogradBlocks cut{C, register_bytes, sizeof(T)};
  static constexpr int tiles = cut.tiles;
  static constexpr int step = tiles * lanes<T>;           // numbers of a channel at one point of a block
  static constexpr int columns = m * tiles + kernel - 1;  // of pixels under a block

  // The same of some blocks that the weights' gradient sums together.
  static constexpr int blocks = Width / lanes<T> * down * ((across + tiles - 1) / tiles);
  static constexpr int wide = step * std::min(cut.wide / tiles, blocks);

  // From one point's numbers of n channels to the next's: an odd number of registers, so that they don't all meet in the
  // same lines of the cache.
  static constexpr int point(int channels, int numbers) {
    return channels * numbers + (channels * numbers / lanes<T> % 2 == 0 ? lanes<T> : 0);
  }

  alignas(register_bytes) static constexpr T nothing[lanes<T>] = {};

  // ---- weights ----

  // u[point][o][i] = G w Gᵀ, a register of pairs at a time.
  [[gnu::noinline]] static void transform_weights(const T* weight, T* u) {
    for (int next = 0; next < pairs; next += lanes<T>) {
      const int first = std::min(next, pairs - lanes<T>);
      alignas(register_bytes) T turned[taps][lanes<T>];
      for (int l = 0; l < lanes<T>; ++l)
        for (int j = 0; j < taps; ++j) turned[j][l] = weight[(first + l) * taps + j];
      Number half[kernel][6];
      for (int b = 0; b < kernel; ++b) {
        Number line[kernel];
#pragma GCC unroll 6
        for (int a = 0; a < kernel; ++a) line[a] = Number::load(turned[a * kernel + b]);
        Line::template evaluate<kernel>(line, half[b]);
      }
      for (int a = 0; a < 6; ++a) {
        Number line[kernel], row[6];
#pragma GCC unroll 6
        for (int b = 0; b < kernel; ++b) line[b] = half[b][a];
        Line::template evaluate<kernel>(line, row);
#pragma GCC unroll 6
        for (int b = 0; b < 6; ++b)
          (row[b] * Number(Line::scale[a] * Line::scale[b])).store(u + (a * 6 + b) * pairs + first);
      }
    }
  }

  // dweight += Gᵀ du G, with du[point][square][lane].
  [[gnu::noinline]] static void collect_weights(const T* du, T* dweight) {
    constexpr int squares = Square::down * Square::across;
    for (int g = 0; g < squares; ++g) {
      Number half[6][kernel];
      for (int a = 0; a < 6; ++a) {
        Number line[6];
#pragma GCC unroll 6
        for (int b = 0; b < 6; ++b)
          line[b] = Number::load(du + ((a * 6 + b) * squares + g) * lanes<T>) * Number(Line::scale[a] * Line::scale[b]);
        Line::template collect<kernel>(line, half[a]);
      }
      alignas(register_bytes) T turned[taps][lanes<T>];
      for (int b = 0; b < kernel; ++b) {
        Number line[6], column[kernel];
#pragma GCC unroll 6
        for (int a = 0; a < 6; ++a) line[a] = half[a][b];
        Line::template collect<kernel>(line, column);
#pragma GCC unroll 6
        for (int a = 0; a < kernel; ++a) column[a].store(turned[a * kernel + b]);
      }
      // The last squares have some of the pairs before them again.
      const int o = g / Square::across * Square::rows, i = g % Square::across * Square::columns;
      for (int l = 0; l < Square::rows * Square::columns; ++l) {
        const int filter = std::min(o, filters - Square::rows) + l / Square::columns;
        const int channel = std::min(i, in_c - Square::columns) + l % Square::columns;
        if (filter < o || channel < i) continue;
        for (int j = 0; j < taps; ++j) dweight[(filter * in_c + channel) * taps + j] += turned[j][l];
      }
    }
  }

  // ---- pixels ----

  // v[point][t] = Bᵀ x B of the tiles whose first corner is pixel (h, w) of a channel; points lie `stride` apart.
  static void transform_pixels(const T* x, int h, int w, int stride, T* v) {
    const T* from[6];
    int by[6];
    for (int a = 0; a < 6; ++a) {
      const bool inside = h + a >= 0 && h + a < in_h;
      from[a] = inside ? x + (h + a) * in_w * Width : nothing;
      by[a] = inside ? Width : 0;
    }
    Number half[6][columns];
    for (int j = 0; j < columns; ++j) {
      Number line[6], column[6];
      const bool inside = w + j >= 0 && w + j < in_w;
#pragma GCC unroll 6
      for (int a = 0; a < 6; ++a) line[a] = Number::load(inside ? from[a] + (w + j) * by[a] : nothing);
      Line::interpolate(line, column);
#pragma GCC unroll 6
      for (int a = 0; a < 6; ++a) half[a][j] = column[a];
    }
    for (int a = 0; a < 6; ++a)
      for (int t = 0; t < tiles; ++t) {
        Number line[6], row[6];
#pragma GCC unroll 6
        for (int b = 0; b < 6; ++b) line[b] = half[a][t * m + b];
        Line::interpolate(line, row);
#pragma GCC unroll 6
        for (int b = 0; b < 6; ++b) row[b].store(v + (a * 6 + b) * stride + t * lanes<T>);
      }
  }

  // dx += B n Bᵀ of the same tiles.
  static void collect_pixels(const T* n, int stride, int h, int w, T* dx) {
    Number half[6][columns];
    for (int a = 0; a < 6; ++a) {
      for (int j = 0; j < columns; ++j) half[a][j] = Number(T(0));
      for (int t = 0; t < tiles; ++t) {
        Number line[6], row[6];
#pragma GCC unroll 6
        for (int b = 0; b < 6; ++b) line[b] = Number::load(n + (a * 6 + b) * stride + t * lanes<T>);
        Line::spread(line, row);
#pragma GCC unroll 6
        for (int b = 0; b < 6; ++b) half[a][t * m + b] += row[b];
      }
    }
    for (int j = std::max(0, -w); j < std::min(columns, in_w - w); ++j) {
      Number line[6], column[6];
#pragma GCC unroll 6
      for (int a = 0; a < 6; ++a) line[a] = half[a][j];
      Line::spread(line, column);
#pragma GCC unroll 6
      for (int a = 0; a < 6; ++a) {
        if (h + a < 0 || h + a >= in_h) continue;
        T* to = dx + ((h + a) * in_w + w + j) * Width;
        (Number::load(to) + column[a]).store(to);
      }
    }
  }

  // ---- outputs ----

  // y = bias + Aᵀ n A of the tiles from output (r, c) of a filter on.
  static void collect_outputs(const T* n, int stride, T bias, int r, int c, T* y) {
    for (int t = 0; t < tiles; ++t) {
      Number half[m][6];
#pragma GCC unroll 6
      for (int b = 0; b < 6; ++b) {
        Number line[6], column[m];
#pragma GCC unroll 6
        for (int a = 0; a < 6; ++a) line[a] = Number::load(n + (a * 6 + b) * stride + t * lanes<T>);
        Line::template collect<m>(line, column);
#pragma GCC unroll 6
        for (int a = 0; a < m; ++a) half[a][b] = column[a];
      }
      const int left = c + t * m;
#pragma GCC unroll 6
      for (int a = 0; a < m; ++a) {
        Number row[m];
        Line::template collect<m>(half[a], row);
        if (r + a >= out_h) break;
#pragma GCC unroll 6
        for (int b = 0; b < m; ++b)
          if (left + b < out_w) (row[b] + Number(bias)).store(y + ((r + a) * out_w + left + b) * Width);
      }
    }
  }

  // d[point][t] = A dy Aᵀ of the same tiles.
  static void transform_outputs(const T* dy, int r, int c, int stride, T* d) {
    Number half[6][m * tiles];
    for (int j = 0; j < m * tiles; ++j) {
      Number line[m], column[6];
#pragma GCC unroll 6
      for (int a = 0; a < m; ++a)
        line[a] = Number::load(r + a < out_h && c + j < out_w ? dy + ((r + a) * out_w + c + j) * Width : nothing);
      Line::template evaluate<m>(line, column);
#pragma GCC unroll 6
      for (int a = 0; a < 6; ++a) half[a][j] = column[a];
    }
    for (int a = 0; a < 6; ++a)
      for (int t = 0; t < tiles; ++t) {
        Number line[m], row[6];
#pragma GCC unroll 6
        for (int b = 0; b < m; ++b) line[b] = half[a][t * m + b];
        Line::template evaluate<m>(line, row);
#pragma GCC unroll 6
        for (int b = 0; b < 6; ++b) row[b].store(d + (a * 6 + b) * stride + t * lanes<T>);
      }
  }

  // ---- passes ----

  // function(lanes' offset, row and column of the first output) for every block.
  template <class Function>
  static void for_each_block(Function function) {
    for (int p = 0; p < Width; p += lanes<T>)
      for (int r = 0; r < out_h; r += m)
        for (int c = 0; c < out_w; c += m * tiles) function(p, r, c);
  }

  [[gnu::noinline]] static void forward(const T* x, const T* weight, const T* bias, T* y) {
    constexpr int to_v = point(in_c, step), to_n = point(filters, step);
    alignas(register_bytes) T u[36 * pairs], v[36 * to_v], n[36 * to_n];
    transform_weights(weight, u);
    for_each_block([&](int p, int r, int c) {
      for (int i = 0; i < in_c; ++i)
        transform_pixels(x + i * in_h * in_w * Width + p, r - padding, c - padding, to_v, v + i * step);
      for (int e = 0; e < 36; ++e)
        DenseProduct<T, step, in_c, filters, 1, in_c>::run(v + e * to_v, u + e * pairs, nullptr, n + e * to_n);
      for (int o = 0; o < filters; ++o)
        collect_outputs(n + o * step, to_n, bias[o], r, c, y + o * out_h * out_w * Width + p);
    });
  }

  [[gnu::noinline]] static void backward_input(const T* weight, const T* dy, T* dx) {
    constexpr int to_d = point(filters, step), to_n = point(in_c, step);
    alignas(register_bytes) T u[36 * pairs], d[36 * to_d], n[36 * to_n];
    std::fill_n(dx, in_c * in_h * in_w * Width, T(0));
    transform_weights(weight, u);
    for_each_block([&](int p, int r, int c) {
      for (int o = 0; o < filters; ++o) transform_outputs(dy + o * out_h * out_w * Width + p, r, c, to_d, d + o * step);
      for (int e = 0; e < 36; ++e)
        DenseProduct<T, step, filters, in_c, in_c, 1>::run(d + e * to_d, u + e * pairs, nullptr, n + e * to_n);
      for (int i = 0; i < in_c; ++i)
        collect_pixels(n + i * step, to_n, r - padding, c - padding, dx + i * in_h * in_w * Width + p);
    });
  }

  // As many pairs of a filter and a channel as a register has lanes, or nearly, with little done twice.
  struct Square {
    static constexpr std::array<int, 2> sides = [] {
      std::array<int, 2> best{1, 1};
      double least = 1e30;
      for (int f = 1; f <= std::min(filters, lanes<T>); ++f)
        for (int c = 1; c <= std::min(in_c, lanes<T> / f); ++c) {
          // Multiply-adds and loads for each register of samples, and the sum over lanes.
          const double cost = ((filters + f - 1) / f) * ((in_c + c - 1) / c) *
                              (std::max(f * c, 2 * (f + c)) * (wide / lanes<T>)+2.0 * lanes<T>);
          if (cost < least) least = cost, best = {f, c};
        }
      return best;
    }();
    static constexpr int rows = sides[0], columns = sides[1];
    static constexpr int down = (filters + rows - 1) / rows, across = (in_c + columns - 1) / columns;
  };

  // du[square][lane] += the sum over samples and tiles of d[o] v[i], at one point.
  [[gnu::noinline]] static void multiply(const T* d, const T* v, T* du) {
    for (int o = 0; o < filters; o += Square::rows)
      for (int i = 0; i < in_c; i += Square::columns, du += lanes<T>) {
        const T* from_d = d + std::min(o, filters - Square::rows) * wide;
        const T* from_v = v + std::min(i, in_c - Square::columns) * wide;
        Number sums[lanes<T>];
#pragma GCC unroll 16
        for (int l = 0; l < lanes<T>; ++l) sums[l] = Number(T(0));
        for (int s = 0; s < wide; s += lanes<T>) {
          Number numbers[Square::columns];
#pragma GCC unroll 16
          for (int b = 0; b < Square::columns; ++b) numbers[b] = Number::load(from_v + b * wide + s);
#pragma GCC unroll 16
          for (int a = 0; a < Square::rows; ++a) {
            const Number delta = Number::load(from_d + a * wide + s);
#pragma GCC unroll 16
            for (int b = 0; b < Square::columns; ++b)
              sums[a * Square::columns + b] = fused(numbers[b], delta, sums[a * Square::columns + b]);
          }
        }
        (Number::load(du) + Number::sums(sums)).store(du);
      }
  }

  [[gnu::noinline]] static void backward_weights(const T* x, const T* dy, T* dweight) {
    constexpr int to_d = point(filters, wide), to_v = point(in_c, wide),
                  to_du = Square::down * Square::across * lanes<T>;
    alignas(register_bytes) T du[36 * to_du], d[36 * to_d], v[36 * to_v];
    std::fill_n(du, 36 * to_du, T(0));
    int filled = 0;
    const auto add = [&] {
      for (int e = 0; e < 36; ++e) multiply(d + e * to_d, v + e * to_v, du + e * to_du);
      filled = 0;
    };
    for_each_block([&](int p, int r, int c) {
      for (int i = 0; i < in_c; ++i)
        transform_pixels(x + i * in_h * in_w * Width + p, r - padding, c - padding, to_v, v + i * wide + filled);
      for (int o = 0; o < filters; ++o)
        transform_outputs(dy + o * out_h * out_w * Width + p, r, c, to_d, d + o * wide + filled);
      if ((filled += step) == wide) add();
    });
    if (filled > 0) {
      // Blocks that are not there count nothing.
      for (int e = 0; e < 36; ++e)
        for (int o = 0; o < filters; ++o) std::fill_n(d + e * to_d + o * wide + filled, wide - filled, T(0));
      add();
    }
    collect_weights(du, dweight);
  }
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
