// SPDX-License-Identifier: MIT
// The few operations on small dense matrices that the statistics need, each instantiated once: Eigen's templates cost more to
// compile than these sizes take to compute.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cmath>

namespace mtlx::grouping::detail {

/// A matrix, or a column of numbers.
using Matrix = Eigen::MatrixXd;
using Index = Eigen::Index;

/// a b
[[gnu::noinline]] inline Matrix times(const Matrix& a, const Matrix& b) {
  Matrix c = Matrix::Zero(a.rows(), b.cols());
  for (Index j = 0; j < b.cols(); ++j)
    for (Index k = 0; k < a.cols(); ++k) {
      const double factor = b(k, j);
      for (Index i = 0; i < a.rows(); ++i) c(i, j) += a(i, k) * factor;
    }
  return c;
}
/// a' b
[[gnu::noinline]] inline Matrix transposed_times(const Matrix& a, const Matrix& b) {
  Matrix c(a.cols(), b.cols());
  for (Index j = 0; j < b.cols(); ++j)
    for (Index i = 0; i < a.cols(); ++i) {
      double sum = 0;
      for (Index k = 0; k < a.rows(); ++k) sum += a(k, i) * b(k, j);
      c(i, j) = sum;
    }
  return c;
}
/// The sum of squares of all numbers.
[[gnu::noinline]] inline double squares(const Matrix& a) {
  double sum = 0;
  for (Index n = 0; n < a.size(); ++n) sum += a.data()[n] * a.data()[n];
  return sum;
}

/// The root R of a symmetric positive definite matrix R R', lower triangular.
class Root {
 public:
  explicit Root(const Matrix& a) : llt_(a) {}

  /// Whether the matrix was positive definite.
  [[gnu::noinline]] bool exists() const { return llt_.info() == Eigen::Success; }
  /// (R R')^-1 b
  [[gnu::noinline]] Matrix solve(const Matrix& b) const { return llt_.solve(b); }
  /// R^-1 b
  [[gnu::noinline]] Matrix whiten(const Matrix& b) const { return llt_.matrixL().solve(b); }
  /// log |R R'|
  [[gnu::noinline]] double log_determinant() const {
    double sum = 0;
    for (Index i = 0; i < llt_.matrixLLT().rows(); ++i) sum += 2 * std::log(llt_.matrixLLT()(i, i));
    return sum;
  }
  /// R
  [[gnu::noinline]] Matrix lower() const {
    Matrix root = llt_.matrixLLT();
    for (Index j = 1; j < root.cols(); ++j)
      for (Index i = 0; i < j; ++i) root(i, j) = 0;
    return root;
  }

 private:
  Eigen::LLT<Matrix> llt_;
};

/// An orthonormal basis of the span of the columns, in their order: Gram and Schmidt's, each column twice. A column that
/// leaves less than 1e-9 of itself is of the others' span.
[[gnu::noinline]] inline Matrix basis(const Matrix& columns) {
  Matrix found(columns.rows(), columns.cols());
  Index count = 0;
  for (Index c = 0; c < columns.cols(); ++c) {
    Matrix rest = columns.col(c);
    const double before = squares(rest);
    for (int twice = 0; twice < 2; ++twice)
      for (Index k = 0; k < count; ++k) {
        double along = 0;
        for (Index i = 0; i < rest.rows(); ++i) along += found(i, k) * rest(i, 0);
        for (Index i = 0; i < rest.rows(); ++i) rest(i, 0) -= along * found(i, k);
      }
    const double left = squares(rest);
    if (!(left > 1e-18 * before)) continue;
    for (Index i = 0; i < rest.rows(); ++i) found(i, count) = rest(i, 0) / std::sqrt(left);
    ++count;
  }
  return found.leftCols(count);
}

}  // namespace mtlx::grouping::detail
