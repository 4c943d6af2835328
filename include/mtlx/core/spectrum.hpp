// SPDX-License-Identifier: MIT
// The eigenvalues and eigenvectors of a Gram matrix G = J Jᵀ of at most 64 rows, in double, over plain spans and the stack:
// pivoted Cholesky and one-sided Jacobi rotations, to their own last places even where rows differ much.
// Reference: Demmel and Veselic, "Jacobi's Method is More Accurate than QR", SIAM J. Matrix Anal. Appl. 13 (1992).
#pragma once

#include <mtlx/core/task_set.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace mtlx {

/// Vectors and square matrices of at most 64 rows.
namespace detail::small {

inline constexpr std::size_t most = TaskSet::capacity;
inline constexpr double eps = std::numeric_limits<double>::epsilon();
using Numbers = std::array<double, most>;
using Square = std::array<double, most * most>;  // of n * n numbers, the first n * n are used

inline double dot(const double* a, const double* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}
inline double dot_of_sizes(const double* a, const double* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::abs(a[i] * b[i]);
  return sum;
}

}  // namespace detail::small

/// The eigenvalues that are not 0 of G = J Jᵀ, and their eigenvectors: G = sum_k values[k] vector(k) vector(k)ᵀ. A row of J
/// counts as dependent on others where what is left of it has less than a share `dependent` of its square.
class Spectrum {
 public:
  /// gram : (n, n), symmetric, row by row; n at most 64.
  Spectrum(std::span<const double> gram, std::size_t n, double dependent = 1e-12) : n_(n), dependent_(dependent) {
    factor(gram);
    rotate();
  }

  std::size_t rank() const { return rank_; }
  double value(std::size_t k) const { return values_[k]; }
  /// Of length 1.
  std::span<const double> vector(std::size_t k) const { return {columns_.data() + k * n_, n_}; }
  /// The inner product of x, (n), and vector(k): exactly 0 where nothing but rounding is left of it, as for opposite rows.
  double along(std::size_t k, const double* x) const {
    const double sum = detail::small::dot(x, vector(k).data(), n_);
    return std::abs(sum) > 1e-13 * detail::small::dot_of_sizes(x, vector(k).data(), n_) ? sum : 0;
  }

 private:
  // The columns of L, G = L Lᵀ; the longest rest first.
  void factor(std::span<const double> gram) {
    detail::small::Numbers rest;
    for (std::size_t i = 0; i < n_; ++i) rest[i] = gram[i * n_ + i];
    for (rank_ = 0; rank_ < n_; ++rank_) {
      std::size_t pivot = n_;
      for (std::size_t i = 0; i < n_; ++i)
        if (rest[i] > dependent_ * gram[i * n_ + i] && (pivot == n_ || rest[i] > rest[pivot])) pivot = i;
      if (pivot == n_) return;
      double* column = columns_.data() + rank_ * n_;
      const double root = std::sqrt(rest[pivot]);
      for (std::size_t i = 0; i < n_; ++i) {
        double left = gram[i * n_ + pivot];
        for (std::size_t k = 0; k < rank_; ++k) left -= columns_[k * n_ + i] * columns_[k * n_ + pivot];
        column[i] = rest[i] > 0 ? left / root : 0;
      }
      column[pivot] = root;
      rest[pivot] = 0;
      for (std::size_t i = 0; i < n_; ++i) {
        if (rest[i] <= 0) continue;
        rest[i] -= column[i] * column[i];
        if (rest[i] <= dependent_ * gram[i * n_ + i]) rest[i] = 0;
      }
    }
  }
  // Turns pairs of columns until each is at right angles to every other: they are then sqrt(value) times the vectors.
  void rotate() {
    for (int sweep = 0; sweep < 40; ++sweep) {
      bool turned = false;
      for (std::size_t p = 0; p + 1 < rank_; ++p) {
        for (std::size_t q = p + 1; q < rank_; ++q) {
          double *a = columns_.data() + p * n_, *b = columns_.data() + q * n_;
          const double aa = detail::small::dot(a, a, n_), bb = detail::small::dot(b, b, n_),
                       ab = detail::small::dot(a, b, n_);
          if (!(std::abs(ab) > 4 * detail::small::eps * std::sqrt(aa) * std::sqrt(bb))) continue;
          turned = true;
          const double zeta = (bb - aa) / (2 * ab);
          const double tangent = (zeta < 0 ? -1 : 1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
          const double cosine = 1 / std::sqrt(1 + tangent * tangent), sine = cosine * tangent;
          for (std::size_t i = 0; i < n_; ++i) {
            const double old = a[i];
            a[i] = cosine * old - sine * b[i];
            b[i] = sine * old + cosine * b[i];
          }
        }
      }
      if (!turned) break;
    }
    for (std::size_t k = 0; k < rank_; ++k) {
      double* column = columns_.data() + k * n_;
      values_[k] = detail::small::dot(column, column, n_);
      const double length = std::sqrt(values_[k]);
      for (std::size_t i = 0; i < n_; ++i) column[i] /= length;
    }
  }

  std::size_t n_;
  double dependent_;
  std::size_t rank_ = 0;
  detail::small::Numbers values_;
  detail::small::Square columns_;  // one eigenvector after the other
};

}  // namespace mtlx
