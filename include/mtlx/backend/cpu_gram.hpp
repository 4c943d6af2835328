// SPDX-License-Identifier: MIT
// Inner products of every pair among some long rows, G = J Jᵀ. Tiles of pairs stay in registers over a run of columns;
// inside a run sums are of the rows' own type, 32 products deep in each lane, and runs are added in double: the error is
// that of the numbers themselves. Rows whose squares come near the end of that type's range are scaled by powers of two
// first, which rounds nothing. `across` has the same for pairs of two lists, without that.
#pragma once

#include <mtlx/backend/pack.hpp>
#include <mtlx/core/scalar.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// Every pair's inner product among rows of T; see `run`.
template <class T>
class GramProduct {
  static constexpr std::size_t wide = static_cast<std::size_t>(lanes<T>), run_length = 32 * wide, tile = 3;

 public:
  /// g[i * n + j] = <rows[i], rows[j]> for n rows of `size` numbers, in an order that depends on the size alone.
  [[gnu::noinline]] static void run(std::span<const T* const> rows, std::size_t size, double* g) {
    const std::size_t n = rows.size();
    std::fill_n(g, n * n, 0.0);
    for (std::size_t first = 0; first < size; first += run_length)
      for (std::size_t i = 0; i < n; i += tile)
        for (std::size_t j = i; j < n; j += tile)
          pairs(rows, rows, first, std::min(run_length, size - first), i, j, true, g);
    for (std::size_t i = 0; i < n; ++i)
      if (!(g[i * n + i] >= least && g[i * n + i] <= most)) rescue(rows, size, i, g);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j) g[i * n + j] = g[j * n + i];
  }

  /// g[i * b.size() + j] = <a[i], b[j]> for rows of `size` numbers.
  [[gnu::noinline]] static void across(std::span<const T* const> a, std::span<const T* const> b, std::size_t size,
                                       double* g) {
    std::fill_n(g, a.size() * b.size(), 0.0);
    for (std::size_t first = 0; first < size; first += run_length)
      for (std::size_t i = 0; i < a.size(); i += tile)
        for (std::size_t j = 0; j < b.size(); j += tile)
          pairs(a, b, first, std::min(run_length, size - first), i, j, false, g);
  }

 private:
  // Squares of rows between these have lost nothing that counts.
  static constexpr double least = sizeof(T) == 4 ? 1e-25 : 1e-280, most = sizeof(T) == 4 ? 1e30 : 1e280;

  // The products of a row whose square is not safe, in double and with its largest number brought to [1/2, 1). A row that
  // is not finite, and one of zeros, have what they have.
  [[gnu::cold, gnu::noinline]] static void rescue(std::span<const T* const> rows, std::size_t size, std::size_t i,
                                                  double* g) {
    const std::size_t n = rows.size();
    T largest = 0;
    for (std::size_t c = 0; c < size; ++c) {
      if (!is_finite(rows[i][c])) return;
      largest = std::max(largest, absolute(rows[i][c]));
    }
    if (!(largest > 0)) return;
    const int exponent = std::clamp(std::ilogb(largest) + 1, -500, 500);
    const double scale = std::ldexp(1.0, -exponent);
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      const double other = j == i ? scale : 1;
      for (std::size_t c = 0; c < size; ++c)
        sum += static_cast<double>(rows[i][c]) * scale * (static_cast<double>(rows[j][c]) * other);
      g[std::min(i, j) * n + std::max(i, j)] = std::ldexp(sum, j == i ? 2 * exponent : exponent);
    }
  }

  // A tile of pairs over a run of columns. Rows beyond the last repeat it and are not kept, nor what is under the diagonal
  // if that isn't wanted.
  [[gnu::noinline]] static void pairs(std::span<const T* const> rows, std::span<const T* const> columns,
                                      std::size_t first, std::size_t count, std::size_t i, std::size_t j,
                                      bool upper_alone, double* g) {
    const std::size_t m = rows.size(), n = columns.size();
    const T *a[tile], *b[tile];
    for (std::size_t k = 0; k < tile; ++k) {
      a[k] = rows[std::min(i + k, m - 1)] + first;
      b[k] = columns[std::min(j + k, n - 1)] + first;
    }
    Pack<T> sums[tile][tile];
#pragma GCC unroll 3
    for (std::size_t k = 0; k < tile; ++k)
#pragma GCC unroll 3
      for (std::size_t l = 0; l < tile; ++l) sums[k][l] = Pack<T>(T(0));
    const std::size_t even = count / wide * wide;
    for (std::size_t c = 0; c < even; c += wide) add(a, b, c, sums);
    if (even < count) {
      T tail[2 * tile][wide] = {};
      const T *left[tile], *right[tile];
      for (std::size_t k = 0; k < tile; ++k) {
        std::copy_n(a[k] + even, count - even, tail[k]);
        std::copy_n(b[k] + even, count - even, tail[tile + k]);
        left[k] = tail[k], right[k] = tail[tile + k];
      }
      add(left, right, 0, sums);
    }
    for (std::size_t k = 0; k < tile && i + k < m; ++k)
      for (std::size_t l = 0; l < tile && j + l < n; ++l)
        if (!upper_alone || i + k <= j + l) g[(i + k) * n + j + l] += static_cast<double>(sum(sums[k][l]));
  }

  [[gnu::always_inline]] static void add(const T* const (&a)[tile], const T* const (&b)[tile], std::size_t c,
                                         Pack<T> (&sums)[tile][tile]) {
    Pack<T> right[tile];
#pragma GCC unroll 3
    for (std::size_t l = 0; l < tile; ++l) right[l] = Pack<T>::load(b[l] + c);
#pragma GCC unroll 3
    for (std::size_t k = 0; k < tile; ++k) {
      const Pack<T> left = Pack<T>::load(a[k] + c);
#pragma GCC unroll 3
      for (std::size_t l = 0; l < tile; ++l) sums[k][l] = fused(left, right[l], sums[k][l]);
    }
  }
};

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
