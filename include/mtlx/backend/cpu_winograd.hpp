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

/// Constants that are indexed by an int.
template <class T, int count>
struct WinogradTable {
  T numbers[count]{};
  constexpr T& operator[](int i) { return numbers[i]; }
  constexpr const T& operator[](int i) const { return numbers[i]; }
};

/// The transforms in one direction, on numbers for the `count` points 0, p, -p, q, -q, ..., infinity.
template <class T, int count>
struct WinogradLine {
  using Number = Pack<T>;
  static constexpr int pairs = count / 2 - 1;
  /// The points above 0.
  static constexpr WinogradTable<double, pairs> at = [] {
    if constexpr (count == 6)
      return WinogradTable<double, 2>{{0.75, 1.5}};
    else
      return WinogradTable<double, 3>{{0.5, 1, 2}};
  }();

  /// What the values of w at a point are multiplied by: 1 over the product of its distances to the other points.
  static constexpr WinogradTable<double, count> scale = [] {
    WinogradTable<double, count> found{};
    found[0] = found[count - 1] = 1;
    for (int i = 0; i < pairs; ++i) {
      found[0] /= -at[i] * at[i];
      found[2 * i + 1] = 1 / (2 * at[i] * at[i]);
      for (int j = 0; j < pairs; ++j)
        if (j != i) found[2 * i + 1] /= at[i] * at[i] - at[j] * at[j];
      found[2 * i + 2] = found[2 * i + 1];
    }
    return found;
  }();

  /// Points come in pairs, 0 and infinity first: where the two of a pair are.
  static constexpr int first(int pair) { return pair == 0 ? 0 : 2 * pair - 1; }
  static constexpr int second(int pair) { return pair == 0 ? count - 1 : 2 * pair; }

  /// A or G less its scale, entry by entry: a point's power; infinity has the last of `size` coefficients alone.
  static constexpr double monomial(int point, int j, int size) {
    if (point == count - 1) return j == size - 1 ? 1 : 0;
    if (point == 0) return j == 0 ? 1 : 0;
    return power[(point - 1) / 2][j] * (point % 2 == 0 && j % 2 != 0 ? -1 : 1);
  }

  /// The polynomial of the coefficients at ±p, from the powers of p.
  template <int size>
  [[gnu::always_inline]] static void evaluate(const Number (&powers)[size], const Number (&from)[size], Number& one,
                                              Number& other) {
    Number even = from[0], odd = powers[1] * from[1];
#pragma GCC unroll 6
    for (int j = 2; j < size; ++j) {
      Number& sum = j % 2 == 0 ? even : odd;
      sum = fused(powers[j], from[j], sum);
    }
    one = even + odd, other = even - odd;
  }
  /// The powers of a pair's p.
  template <int size>
  [[gnu::always_inline]] static void powers(int pair, Number (&to)[size]) {
#pragma GCC unroll 6
    for (int j = 0; j < size; ++j) to[j] = Number(power[pair - 1][j]);
  }
  /// A or G less its scale: the polynomial at all points.
  template <int size>
  [[gnu::always_inline]] static void evaluate(const Number (&from)[size], Number (&to)[count]) {
    to[0] = from[0], to[count - 1] = from[size - 1];
#pragma GCC unroll 3
    for (int i = 1; i <= pairs; ++i) {
      Number p[size];
      powers(i, p);
      evaluate(p, from, to[first(i)], to[second(i)]);
    }
  }
  /// What a pair of points adds to the coefficients, in the adjoint; pair 0 sets them.
  template <int size>
  [[gnu::always_inline]] static void collect(int pair, Number one, Number other, Number (&to)[size]) {
    if (pair == 0) {
#pragma GCC unroll 6
      for (int j = 0; j < size; ++j) to[j] = Number(T(0));
      to[0] = one, to[size - 1] = other;
      return;
    }
    const Number even = one + other, odd = one - other;
    to[0] += even;
#pragma GCC unroll 6
    for (int j = 1; j < size; ++j) to[j] = fused(Number(power[pair - 1][j]), j % 2 == 0 ? even : odd, to[j]);
  }
  /// Aᵀ or Gᵀ.
  template <int size>
  [[gnu::always_inline]] static void collect(const Number (&from)[count], Number (&to)[size]) {
#pragma GCC unroll 4
    for (int i = 0; i <= pairs; ++i) collect(i, from[first(i)], from[second(i)], to);
  }
  /// Bᵀ: a point's row has the coefficients of the product of (x - point) over all other points but infinity.
  [[gnu::always_inline]] static void interpolate(const Number (&x)[count], Number (&to)[count]) {
    to[0] = x[count - 2];
    to[count - 1] = x[count - 1];
#pragma GCC unroll 3
    for (int k = 0; k < pairs; ++k) {
      to[0] = fused(Number(all[k]), x[2 * k], to[0]);
      to[count - 1] = fused(Number(all[k]), x[2 * k + 1], to[count - 1]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < pairs; ++i) {
      Number even = x[count - 2], odd = x[count - 3];
#pragma GCC unroll 3
      for (int k = 0; k < pairs - 1; ++k) {
        even = fused(Number(others[i][k]), x[2 * k + 2], even);
        odd = fused(Number(others[i][k]), x[2 * k + 1], odd);
      }
      to[2 * i + 1] = fused(Number(at[i]), odd, even);
      to[2 * i + 2] = fused(Number(-at[i]), odd, even);
    }
  }
  /// Its adjoint, B.
  [[gnu::always_inline]] static void spread(const Number (&from)[count], Number (&to)[count]) {
    Number even[pairs], odd[pairs];
    split(from, even, odd);
    to[0] = Number(all[0]) * from[0];
    to[count - 1] = from[count - 1];
#pragma GCC unroll 3
    for (int k = 0; k < pairs; ++k) {
      to[2 * k + 1] = Number(all[k]) * from[count - 1];
      to[2 * k + 2] = Number(all[k + 1]) * from[0];
#pragma GCC unroll 3
      for (int i = 0; i < pairs; ++i) {
        to[2 * k + 1] = fused(Number(at[i] * others[i][k]), odd[i], to[2 * k + 1]);
        to[2 * k + 2] = fused(Number(others[i][k]), even[i], to[2 * k + 2]);
      }
    }
  }

 private:
  // The points' powers, up to those that a kernel or a tile has coefficients for.
  static constexpr WinogradTable<WinogradTable<T, 5>, pairs> power = [] {
    WinogradTable<WinogradTable<T, 5>, pairs> found{};
    for (int i = 0; i < pairs; ++i) {
      found[i][0] = 1;
      for (int j = 1; j < 5; ++j) found[i][j] = found[i][j - 1] * static_cast<T>(at[i]);
    }
    return found;
  }();
  // Coefficients of the product of (z - p²) over the points above 0 but one: of z^0, z^1, ...
  static constexpr WinogradTable<double, pairs + 1> product(int without) {
    WinogradTable<double, pairs + 1> found{{1}};
    for (int i = 0; i < pairs; ++i) {
      if (i == without) continue;
      for (int k = pairs; k >= 0; --k) found[k] = (k > 0 ? found[k - 1] : 0) - at[i] * at[i] * found[k];
    }
    return found;
  }
  static constexpr WinogradTable<double, pairs + 1> all = product(-1);
  static constexpr WinogradTable<WinogradTable<double, pairs + 1>, pairs> others = [] {
    WinogradTable<WinogradTable<double, pairs + 1>, pairs> found{};
    for (int i = 0; i < pairs; ++i) found[i] = product(i);
    return found;
  }();

  [[gnu::always_inline]] static void split(const Number (&from)[count], Number (&even)[pairs], Number (&odd)[pairs]) {
#pragma GCC unroll 3
    for (int i = 0; i < pairs; ++i) {
      even[i] = from[2 * i + 1] + from[2 * i + 2];
      odd[i] = from[2 * i + 1] - from[2 * i + 2];
    }
  }
};

/// Which way a `Cpu` convolves.
enum class Convolving {
  automatic,  ///< by tiles where that takes clearly fewer operations, else directly
  direct      ///< always as the sum reads: less rounding
};

/// Points for so many outputs in one direction: 8 for kernels of 5 where they take fewer products than 6. For kernels of 3
/// they would save an eighth, and round more.
constexpr int winograd_points(int kernel, int outputs) {
  const auto products = [&](int count) { return count * ((outputs + count - kernel) / (count + 1 - kernel)); };
  return kernel == 5 && products(8) < products(6) ? 8 : 6;
}

/// How Winograd cuts its work: points in both directions, outputs that a tile of them has, tiles of a block, neighbours in
/// a row, and tiles that the weights' gradient sums at once. Of more tiles the products make more of each weight, as long
/// as what lies between the stages stays in the cache.
struct WinogradBlocks {
  int n_h, n_w, m_h, m_w, tiles, wide;
  std::size_t points, stack;  ///< of a tile; bytes of the stack that a pass takes, at most

  constexpr WinogradBlocks(const Convolution& c, std::size_t register_size, std::size_t number_size)
      : n_h(winograd_points(c.window.kernel, c.out().height)),
        n_w(winograd_points(c.window.kernel, c.out().width)),
        m_h(n_h + 1 - c.window.kernel),
        m_w(n_w + 1 - c.window.kernel),
        points(static_cast<std::size_t>(n_h * n_w)) {
    const std::size_t both = static_cast<std::size_t>(c.in.channels + c.filters);
    const auto between = [&](int many) { return points * both * static_cast<std::size_t>(many) * register_size; };
    const int across = (c.out().width + m_w - 1) / m_w;
    tiles = (across + 3) / 4 * 4 <= (across + 1) / 2 * 2 && between(4) <= 655360 ? 4 : 2;
    wide = between(8) <= 655360 ? 8 : 4;
    stack = between(wide) + points * static_cast<std::size_t>(c.in.channels * c.filters) * number_size;
  }
};

/// Whether a convolution is faster by tiles, by operations for a register of samples; the constants are measured. Below 8
/// channels or filters it hardly is, and rounding would be several times that of the short direct sums.
constexpr bool winograd_pays(const Convolution& c, std::size_t register_size, std::size_t number_size) {
  const int kernel = c.window.kernel;
  if (c.window.stride != 1 || (kernel != 3 && kernel != 5) || std::min(c.in.channels, c.filters) < 8) return false;
  const WinogradBlocks cut(c, register_size, number_size);
  const int block = cut.m_w * cut.tiles;
  const int tiles = (c.out().height + cut.m_h - 1) / cut.m_h * ((c.out().width + block - 1) / block) * cut.tiles;
  const double pairs = double(c.in.channels) * c.filters, both = c.in.channels + c.filters;
  const double direct = pairs * kernel * kernel * c.out().height * c.out().width;
  return cut.stack < 1900000 && tiles * static_cast<double>(cut.points) * (1.28 * pairs + 4.8 * both) < direct;
}

/// A convolution's three passes by tiles. A block of neighbouring tiles of one row goes through all three stages, so that
/// what lies between them stays in the cache; it lies on the stack. There must be as many pairs of a channel and a filter
/// as a register has lanes, which winograd_pays sees to.
template <class T, int Width, Convolution C>
struct Winograd {
  using Number = Pack<T>;
  static constexpr int kernel = C.window.kernel, padding = C.window.padding;
  static constexpr int in_h = C.in.height, in_w = C.in.width, in_c = C.in.channels;
  static constexpr int out_h = C.out().height, out_w = C.out().width, filters = C.filters;
  static constexpr int taps = kernel * kernel, pairs = filters * in_c;
  static constexpr WinogradBlocks cut{C, register_bytes, sizeof(T)};
  static constexpr int n_h = cut.n_h, n_w = cut.n_w, m_h = cut.m_h, m_w = cut.m_w, points = n_h * n_w;
  using Down = WinogradLine<T, n_h>;
  using Across = WinogradLine<T, n_w>;
  static constexpr int down = (out_h + m_h - 1) / m_h, across = (out_w + m_w - 1) / m_w;
  static constexpr int tiles = cut.tiles;
  static constexpr int step = tiles * lanes<T>;             // numbers of a channel at one point of a block
  static constexpr int columns = m_w * tiles + kernel - 1;  // of pixels under a block

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
      Number half[kernel][n_h];
      for (int b = 0; b < kernel; ++b) {
        Number line[kernel];
#pragma GCC unroll 8
        for (int a = 0; a < kernel; ++a) line[a] = Number::load(turned[a * kernel + b]);
        Down::template evaluate<kernel>(line, half[b]);
      }
      for (int a = 0; a < n_h; ++a) {
        Number line[kernel], row[n_w];
#pragma GCC unroll 8
        for (int b = 0; b < kernel; ++b) line[b] = half[b][a];
        Across::template evaluate<kernel>(line, row);
#pragma GCC unroll 8
        for (int b = 0; b < n_w; ++b)
          (row[b] * Number(Down::scale[a] * Across::scale[b])).store(u + (a * n_w + b) * pairs + first);
      }
    }
  }

  // dweight += Gᵀ du G, with du[point][square][lane].
  [[gnu::noinline]] static void collect_weights(const T* du, T* dweight) {
    constexpr int squares = Square::down * Square::across;
    for (int g = 0; g < squares; ++g) {
      Number half[n_h][kernel];
      for (int a = 0; a < n_h; ++a) {
        Number line[n_w];
#pragma GCC unroll 8
        for (int b = 0; b < n_w; ++b)
          line[b] =
              Number::load(du + ((a * n_w + b) * squares + g) * lanes<T>) * Number(Down::scale[a] * Across::scale[b]);
        Across::template collect<kernel>(line, half[a]);
      }
      alignas(register_bytes) T turned[taps][lanes<T>];
      for (int b = 0; b < kernel; ++b) {
        Number line[n_h], column[kernel];
#pragma GCC unroll 8
        for (int a = 0; a < n_h; ++a) line[a] = half[a][b];
        Down::template collect<kernel>(line, column);
#pragma GCC unroll 8
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
    const T* from[n_h];
    int by[n_h];
    for (int a = 0; a < n_h; ++a) {
      const bool inside = h + a >= 0 && h + a < in_h;
      from[a] = inside ? x + (h + a) * in_w * Width : nothing;
      by[a] = inside ? Width : 0;
    }
    Number half[n_h][columns];
    for (int j = 0; j < columns; ++j) {
      Number line[n_h], column[n_h];
      const bool inside = w + j >= 0 && w + j < in_w;
#pragma GCC unroll 8
      for (int a = 0; a < n_h; ++a) line[a] = Number::load(inside ? from[a] + (w + j) * by[a] : nothing);
      Down::interpolate(line, column);
#pragma GCC unroll 8
      for (int a = 0; a < n_h; ++a) half[a][j] = column[a];
    }
    for (int a = 0; a < n_h; ++a)
      for (int t = 0; t < tiles; ++t) {
        Number line[n_w], row[n_w];
#pragma GCC unroll 8
        for (int b = 0; b < n_w; ++b) line[b] = half[a][t * m_w + b];
        Across::interpolate(line, row);
#pragma GCC unroll 8
        for (int b = 0; b < n_w; ++b) row[b].store(v + (a * n_w + b) * stride + t * lanes<T>);
      }
  }

  // dx += B n Bᵀ of the same tiles.
  static void collect_pixels(const T* n, int stride, int h, int w, T* dx) {
    Number half[n_h][columns];
    for (int a = 0; a < n_h; ++a) {
      for (int j = 0; j < columns; ++j) half[a][j] = Number(T(0));
      for (int t = 0; t < tiles; ++t) {
        Number line[n_w], row[n_w];
#pragma GCC unroll 8
        for (int b = 0; b < n_w; ++b) line[b] = Number::load(n + (a * n_w + b) * stride + t * lanes<T>);
        Across::spread(line, row);
#pragma GCC unroll 8
        for (int b = 0; b < n_w; ++b) half[a][t * m_w + b] += row[b];
      }
    }
    for (int j = std::max(0, -w); j < std::min(columns, in_w - w); ++j) {
      Number line[n_h], column[n_h];
#pragma GCC unroll 8
      for (int a = 0; a < n_h; ++a) line[a] = half[a][j];
      Down::spread(line, column);
#pragma GCC unroll 8
      for (int a = 0; a < n_h; ++a) {
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
      Number half[m_h][n_w];
      for (int b = 0; b < n_w; ++b) {
        Number line[n_h], column[m_h];
#pragma GCC unroll 8
        for (int a = 0; a < n_h; ++a) line[a] = Number::load(n + (a * n_w + b) * stride + t * lanes<T>);
        Down::template collect<m_h>(line, column);
#pragma GCC unroll 8
        for (int a = 0; a < m_h; ++a) half[a][b] = column[a];
      }
      const int left = c + t * m_w;
      for (int a = 0; a < std::min(m_h, out_h - r); ++a) {
        Number row[m_w];
        Across::template collect<m_w>(half[a], row);
#pragma GCC unroll 8
        for (int b = 0; b < m_w; ++b)
          if (left + b < out_w) (row[b] + Number(bias)).store(y + ((r + a) * out_w + left + b) * Width);
      }
    }
  }

  // d[point][t] = A dy Aᵀ of the same tiles.
  static void transform_outputs(const T* dy, int r, int c, int stride, T* d) {
    Number half[n_h][m_w * tiles];
    for (int j = 0; j < m_w * tiles; ++j) {
      Number line[m_h], column[n_h];
#pragma GCC unroll 8
      for (int a = 0; a < m_h; ++a)
        line[a] = Number::load(r + a < out_h && c + j < out_w ? dy + ((r + a) * out_w + c + j) * Width : nothing);
      Down::template evaluate<m_h>(line, column);
#pragma GCC unroll 8
      for (int a = 0; a < n_h; ++a) half[a][j] = column[a];
    }
    for (int a = 0; a < n_h; ++a)
      for (int t = 0; t < tiles; ++t) {
        Number line[m_w], row[n_w];
#pragma GCC unroll 8
        for (int b = 0; b < m_w; ++b) line[b] = half[a][t * m_w + b];
        Across::template evaluate<m_w>(line, row);
#pragma GCC unroll 8
        for (int b = 0; b < n_w; ++b) row[b].store(d + (a * n_w + b) * stride + t * lanes<T>);
      }
  }

  // ---- passes ----

  // function(lanes' offset, row and column of the first output) for every block.
  template <class Function>
  static void for_each_block(Function function) {
    for (int p = 0; p < Width; p += lanes<T>)
      for (int r = 0; r < out_h; r += m_h)
        for (int c = 0; c < out_w; c += m_w * tiles) function(p, r, c);
  }

  [[gnu::noinline]] static void forward(const T* x, const T* weight, const T* bias, T* y) {
    constexpr int to_v = point(in_c, step), to_n = point(filters, step);
    alignas(register_bytes) T u[points * pairs], v[points * to_v], n[points * to_n];
    transform_weights(weight, u);
    for_each_block([&](int p, int r, int c) {
      for (int i = 0; i < in_c; ++i)
        transform_pixels(x + i * in_h * in_w * Width + p, r - padding, c - padding, to_v, v + i * step);
      for (int e = 0; e < points; ++e)
        DenseProduct<T, step, in_c, filters, 1, in_c>::run(v + e * to_v, u + e * pairs, nullptr, n + e * to_n);
      for (int o = 0; o < filters; ++o)
        collect_outputs(n + o * step, to_n, bias[o], r, c, y + o * out_h * out_w * Width + p);
    });
  }

  [[gnu::noinline]] static void backward_input(const T* weight, const T* dy, T* dx) {
    constexpr int to_d = point(filters, step), to_n = point(in_c, step);
    alignas(register_bytes) T u[points * pairs], d[points * to_d], n[points * to_n];
    std::fill_n(dx, in_c * in_h * in_w * Width, T(0));
    transform_weights(weight, u);
    for_each_block([&](int p, int r, int c) {
      for (int o = 0; o < filters; ++o) transform_outputs(dy + o * out_h * out_w * Width + p, r, c, to_d, d + o * step);
      for (int e = 0; e < points; ++e)
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
    alignas(register_bytes) T du[points * to_du], d[points * to_d], v[points * to_v];
    std::fill_n(du, points * to_du, T(0));
    int filled = 0;
    const auto add = [&] {
      for (int e = 0; e < points; ++e) multiply(d + e * to_d, v + e * to_v, du + e * to_du);
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
      for (int e = 0; e < points; ++e)
        for (int o = 0; o < filters; ++o) std::fill_n(d + e * to_d + o * wide + filled, wide - filled, T(0));
      add();
    }
    collect_weights(du, dweight);
  }
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
