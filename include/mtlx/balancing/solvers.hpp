// SPDX-License-Identifier: MIT
// Exact solvers of the small problems that balancers pose on a Gram matrix G = J Jᵀ of at most 64 tasks, in double, over
// plain spans and the stack: no allocation, no exceptions, an end to every loop.
//
// G is symmetric and row by row. Its rows are brought to like length by powers of two first (Equilibrated), so that all
// tolerances are relative to each pair's own |g_i| |g_j|: rows that are 1e6 times as long as others cost no digits. What
// no solver can give back is what the products have lost: an inner product in G is known to eps |g_i| |g_j|, so that a
// direction shorter than some 1e-8 of the gradients that cancel in it cannot be told from 0 by G alone.
//
//   nonnegative_minimum   1/2 xᵀ A x - bᵀ x over x >= 0: the one active-set method under the others. Lawson and Hanson,
//                         "Solving Least Squares Problems", 1974, chapter 23, on the normal equations
//   least_norm_on_simplex the shortest convex combination of the rows (MGDA; SDMGrad with shifted rows)
//   least_norm_above      the shortest combination with weights of at least `start`: the projection of Jᵀ start on the
//                         dual cone {d : J d >= 0} (UPGrad, dual projection, CAGrad)
//   Spectrum              eigenvalues and eigenvectors (IMTL-G, Aligned-MTL, ConFIG); see core/spectrum.hpp
//   fair_weights          G w = q w^(-1/alpha), by Newton's method on the convex function behind it (Nash-MTL, FairGrad)
//   project_on_simplex    the nearest point of {w >= 0, sum w = 1} (MoDo)
#pragma once

#include <mtlx/core/spectrum.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>

namespace mtlx::balancing {

namespace detail {

using mtlx::detail::small::dot;
using mtlx::detail::small::dot_of_sizes;
using mtlx::detail::small::eps;
using mtlx::detail::small::most;
using mtlx::detail::small::Numbers;
using mtlx::detail::small::Square;

}  // namespace detail

/// G = D C D with a diagonal D of powers of two and C's diagonal in [1/2, 2), or 0 for a row of zeros: nothing is rounded.
class Equilibrated {
 public:
  /// gram : (n, n), n at most 64. `more`, in shares of the trace, is added to the diagonal.
  Equilibrated(std::span<const double> gram, std::size_t n, double more = 0) : n_(n) {
    detail::Numbers inverse;
    double trace = 0;
    for (std::size_t i = 0; i < n; ++i) trace += gram[i * n + i];
    for (std::size_t i = 0; i < n; ++i) {
      int exponent = 0;
      const double square = gram[i * n + i] + more * trace;
      std::frexp(square, &exponent);
      const int half = exponent >= 0 ? exponent / 2 : -((1 - exponent) / 2);
      length_[i] = square > 0 ? std::ldexp(1.0, half) : 0;
      inverse[i] = square > 0 ? std::ldexp(1.0, -half) : 0;
    }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        c_[i * n + j] = (gram[i * n + j] + (i == j ? more * trace : 0)) * inverse[i] * inverse[j];
  }

  std::size_t size() const { return n_; }
  const double* row(std::size_t i) const { return c_.data() + i * n_; }
  double operator()(std::size_t i, std::size_t j) const { return c_[i * n_ + j]; }
  /// D's i-th number: |g_i| to a factor of 1.5; 0 for a row of zeros.
  double length(std::size_t i) const { return length_[i]; }
  bool zero(std::size_t i) const { return length_[i] <= 0; }

 private:
  std::size_t n_;
  detail::Numbers length_;
  detail::Square c_;
};

namespace detail {

// The passive set of nonnegative_minimum with the Cholesky factor of its part of A.
class PassiveSet {
 public:
  PassiveSet(const double* a, std::size_t n) : a_(a), n_(n), least_(4 * eps * static_cast<double>(n)) {}

  std::size_t size() const { return size_; }
  std::size_t operator[](std::size_t k) const { return members_[k]; }
  bool has(std::size_t j) const { return (bits_ >> j & 1) != 0; }

  // False, and j is not in, where column j depends on those that are.
  bool add(std::size_t j) {
    members_[size_] = j;
    if (!factor(size_)) return false;
    bits_ |= std::uint64_t{1} << j;
    ++size_;
    return true;
  }
  // After `add` has said no: p_P with A_PP p_P = -A_Pj, so that A does nothing to p where p_j = 1.
  void null_direction(std::size_t j, double* p) const {
    const double* l = l_.data() + size_ * n_;  // A_Pj, solved for half the factor
    Numbers x;
    for (std::size_t k = size_; k-- > 0;) {
      x[k] = -l[k];
      for (std::size_t i = k + 1; i < size_; ++i) x[k] -= l_[i * n_ + k] * x[i];
      x[k] /= l_[k * n_ + k];
      p[members_[k]] = x[k];
    }
    p[j] = 1;
  }
  template <class Leaves>
  void remove_if(Leaves leaves) {
    std::size_t kept = 0, first = size_;
    for (std::size_t k = 0; k < size_; ++k) {
      if (leaves(members_[k])) {
        first = std::min(first, k);
        bits_ &= ~(std::uint64_t{1} << members_[k]);
      } else {
        members_[kept++] = members_[k];
      }
    }
    size_ = kept;
    for (std::size_t k = first; k < size_; ++k) factor(k);
  }
  // z_P = A_PP^-1 b_P as a correction of x, which is 0 elsewhere, and corrected once more: what x has is not lost.
  void solve(const double* b, const double* x, double* z) const {
    for (std::size_t k = 0; k < size_; ++k) z[members_[k]] = x[members_[k]];
    Numbers rest;
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t k = 0; k < size_; ++k) {
        const double* row = a_ + members_[k] * n_;
        rest[k] = b[members_[k]];
        for (std::size_t l = 0; l < size_; ++l) rest[k] -= row[members_[l]] * z[members_[l]];
      }
      for (std::size_t k = 0; k < size_; ++k)
        rest[k] = (rest[k] - dot(l_.data() + k * n_, rest.data(), k)) / l_[k * n_ + k];
      for (std::size_t k = size_; k-- > 0;) {
        for (std::size_t l = k + 1; l < size_; ++l) rest[k] -= l_[l * n_ + k] * rest[l];
        rest[k] /= l_[k * n_ + k];
        z[members_[k]] += rest[k];
      }
    }
  }

 private:
  // False where rounding alone could have left what is left of column k; it then counts as that much.
  bool factor(std::size_t k) {
    const double* row = a_ + members_[k] * n_;
    double* l = l_.data() + k * n_;
    const double diagonal = row[members_[k]];
    double left = diagonal;
    for (std::size_t j = 0; j < k; ++j) {
      const double* other = l_.data() + j * n_;
      l[j] = (row[members_[j]] - dot(l, other, j)) / other[j];
      left -= l[j] * l[j];
    }
    l[k] = std::sqrt(std::max(left, least_ * diagonal));
    return left > least_ * diagonal;
  }

  const double* a_;
  std::size_t n_;
  double least_;
  std::size_t size_ = 0;
  std::uint64_t bits_ = 0;
  std::array<std::size_t, most> members_;
  Square l_;
};

}  // namespace detail

/// x = argmin of 1/2 xᵀ A x - bᵀ x over x >= 0. A : (n, n), positive semidefinite with a diagonal of 1 to a small factor
/// (or 0), such that there is a minimum. `size_of_b` holds how large the terms were that b is the sum of: |b| where it is
/// no sum. At the end (A x - b)_j >= -8 n eps (size_of_b_j + sum_k |A_jk| x_k), and = 0 to the accuracy of a Cholesky solve
/// where x_j > 0.
[[gnu::noinline]] inline void nonnegative_minimum(std::span<const double> a, std::span<const double> b,
                                                  std::span<const double> size_of_b, std::span<double> x) {
  const std::size_t n = b.size();
  const double noise = 8 * detail::eps * static_cast<double>(n);
  detail::PassiveSet passive(a.data(), n);
  detail::Numbers z;
  std::fill(x.begin(), x.end(), 0.0);
  std::uint64_t refused = 0;
  // Each round makes the value less, so that no passive set comes twice; rounding could say otherwise.
  for (std::size_t round = 0; round < 8 * n + 8; ++round) {
    std::size_t entering = n;
    double steepest = 0;
    for (std::size_t j = 0; j < n; ++j) {
      if (passive.has(j) || (refused >> j & 1) != 0) continue;
      const double* row = a.data() + j * n;
      const double descent = b[j] - detail::dot(row, x.data(), n);
      if (descent > steepest && descent > noise * (size_of_b[j] + detail::dot_of_sizes(row, x.data(), n))) {
        steepest = descent;
        entering = j;
      }
    }
    if (entering == n) return;
    if (!passive.add(entering)) {
      // A does nothing along this direction, and the value falls: as far as all stay at least 0, and one becomes 0.
      passive.null_direction(entering, z.data());
      double step = 0;
      std::size_t leaving = n;
      for (std::size_t k = 0; k < passive.size(); ++k) {
        const std::size_t j = passive[k];
        if (z[j] < 0 && (leaving == n || x[j] < -step * z[j])) {
          step = -x[j] / z[j];
          leaving = j;
        }
      }
      if (leaving == n) {  // for ever? What is rounding made it seem so
        refused |= std::uint64_t{1} << entering;
        continue;
      }
      passive.remove_if([&](std::size_t j) { return j == leaving; });
      if (!passive.add(entering)) {
        passive.add(leaving);
        refused |= std::uint64_t{1} << entering;
        continue;
      }
      for (std::size_t k = 0; k < passive.size(); ++k) {
        const std::size_t j = passive[k];
        x[j] = std::max(0.0, x[j] + step * z[j]);
      }
      x[leaving] = 0;
    }
    passive.solve(b.data(), x.data(), z.data());
    if (!(z[entering] > 0)) {
      passive.remove_if([&](std::size_t j) { return j == entering; });
      refused |= std::uint64_t{1} << entering;
      continue;
    }
    refused = 0;
    for (;;) {
      double step = 1;
      std::size_t leaving = n;
      for (std::size_t k = 0; k < passive.size(); ++k) {
        const std::size_t j = passive[k];
        if (z[j] > 0) continue;
        const double until = x[j] > 0 ? x[j] / (x[j] - z[j]) : 0;
        if (leaving == n || until < step) {
          step = until;
          leaving = j;
        }
      }
      for (std::size_t k = 0; k < passive.size(); ++k) {
        const std::size_t j = passive[k];
        x[j] = leaving == n ? z[j] : std::max(0.0, x[j] + step * (z[j] - x[j]));
      }
      if (leaving == n) break;
      x[leaving] = 0;
      passive.remove_if([&](std::size_t j) { return x[j] <= 0 && (j == leaving || z[j] <= 0); });
      passive.solve(b.data(), x.data(), z.data());
    }
  }
}

namespace detail {

// to = C + a aᵀ
[[gnu::noinline]] inline void add_squares(const Equilibrated& rows, const double* a, double* to) {
  const std::size_t n = rows.size();
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) to[i * n + j] = rows(i, j) + a[i] * a[j];
}

}  // namespace detail

/// w = argmin of wᵀ G w over w >= 0, sum w = 1: the weights of the shortest convex combination of the rows. Gives its
/// squared length over that of the shortest row (some factor of 4). A row of zeros gets all the weight. n is at least 1.
/// The conditions: (G w)_i >= wᵀ G w, with equality where w_i > 0.
///
/// With a linear term: 1/2 wᵀ G w + cᵀ w is least where 1/2 wᵀ (G + c 1ᵀ + 1 cᵀ + s 1 1ᵀ) w is, for any s that leaves the
/// matrix positive semidefinite.
[[gnu::noinline]] inline double least_norm_on_simplex(const Equilibrated& rows, std::span<double> w) {
  const std::size_t n = rows.size();
  double shortest = std::numeric_limits<double>::max();
  for (std::size_t i = 0; i < n; ++i) {
    if (rows.zero(i)) {
      std::fill(w.begin(), w.end(), 0.0);
      w[i] = 1;
      return 0;
    }
    shortest = std::min(shortest, rows.length(i));
  }
  // With x = D w / d_min and a = d_min / D: least xᵀ C x where aᵀ x = 1. The minimum y of 1/2 yᵀ (C + a aᵀ) y - aᵀ y fulfils
  // C y >= (1 - aᵀ y) a, with equality where y > 0: it is x but for a factor. Whether 0 is among the combinations is asked
  // of rows of like length first: long rows that cancel are lost beside short ones.
  detail::Numbers a, y;
  detail::Square square;
  const auto solve = [&] {
    detail::add_squares(rows, a.data(), square.data());
    nonnegative_minimum({square.data(), n * n}, {a.data(), n}, {a.data(), n}, {y.data(), n});
    double squared = 0;
    for (std::size_t i = 0; i < n; ++i) squared += y[i] * detail::dot(rows.row(i), y.data(), n);
    const double sum = detail::dot(a.data(), y.data(), n);
    return std::max(0.0, squared) / (sum * sum);
  };
  a.fill(1);
  double squared = solve();
  bool alike = true;
  for (std::size_t i = 0; i < n; ++i) {
    a[i] = shortest / rows.length(i);
    alike = alike && rows.length(i) <= shortest;
  }
  if (!alike) {
    if (squared >= 1e-14) {
      squared = solve();
    } else {
      const double each = std::accumulate(y.begin(), y.begin() + static_cast<long>(n), 0.0);
      const double sum = detail::dot(a.data(), y.data(), n);
      squared *= each * each / (sum * sum);
    }
  }
  const double sum = detail::dot(a.data(), y.data(), n);
  for (std::size_t i = 0; i < n; ++i) w[i] = a[i] * y[i] / sum;
  return squared;
}

/// w = argmin of wᵀ G w over w >= start. Jᵀ w is the point of the dual cone {d : J d >= 0} that is nearest to Jᵀ start.
/// The conditions: (G w)_i >= 0, with equality where w_i > start_i.
[[gnu::noinline]] inline void least_norm_above(const Equilibrated& rows, std::span<const double> start,
                                               std::span<double> w) {
  const std::size_t n = rows.size();
  detail::Numbers above{}, b{}, sizes{}, x{};
  for (std::size_t i = 0; i < n; ++i) above[i] = rows.length(i) * start[i];
  for (std::size_t i = 0; i < n; ++i) {
    b[i] = -detail::dot(rows.row(i), above.data(), n);
    sizes[i] = detail::dot_of_sizes(rows.row(i), above.data(), n);
  }
  nonnegative_minimum({rows.row(0), n * n}, {b.data(), n}, {sizes.data(), n}, {x.data(), n});
  for (std::size_t i = 0; i < n; ++i) w[i] = start[i] + (rows.zero(i) ? 0 : x[i] / rows.length(i));
}

/// w > 0 with G w = q w^(-1/alpha), where w^(-1/alpha) is number by number and alpha, q > 0: the point where
/// 1/2 wᵀ G w - sum_i q_i h(w_i), h' = w^(-1/alpha), is least. False, and w = 0, where there is none, or none that G can
/// tell: some convex combination of the unit rows is shorter than 3e-7, so that w could grow for ever. No row is 0.
[[gnu::noinline]] inline bool fair_weights(std::span<const double> gram, std::span<const double> q, double alpha,
                                           std::span<double> w) {
  const std::size_t n = w.size();
  std::fill(w.begin(), w.end(), 0.0);
  if (n == 0) return true;
  // Each task alone would have the weight w0; with w = w0 y, p = G_ii w0² and R the matrix of cosines the equation is
  // sum_j R_ij sqrt(p_j) y_j = sqrt(p_i) y_i^(-1/alpha).
  detail::Numbers w0, p, y, slope, residual, noise, step;
  detail::Square r, l;
  const Equilibrated rows(gram, n);
  for (std::size_t i = 0; i < n; ++i) {
    w0[i] = std::pow(q[i] / gram[i * n + i], alpha / (1 + alpha));
    p[i] = std::sqrt(gram[i * n + i]) * w0[i];  // its root
    y[i] = 1;
    for (std::size_t j = 0; j < n; ++j) r[i * n + j] = i == j ? 1 : rows(i, j) / std::sqrt(rows(i, i) * rows(j, j));
  }
  if (least_norm_on_simplex(Equilibrated({r.data(), n * n}, n), {step.data(), n}) < 1e-13) return false;

  // The slope's target y^(-1/alpha), the residual at y, and what of that is rounding.
  const auto evaluate = [&](const double* at) {
    for (std::size_t i = 0; i < n; ++i) slope[i] = p[i] * std::exp(-std::log(at[i]) / alpha);
    for (std::size_t i = 0; i < n; ++i) {
      double pull = 0, size = 0;
      for (std::size_t j = 0; j < n; ++j) {
        const double term = r[i * n + j] * p[j] * at[j];
        pull += term;
        size += std::abs(term);
      }
      residual[i] = slope[i] - pull;
      noise[i] = 1e-13 * slope[i] + 4 * detail::eps * size;
    }
  };
  // How far down a number may go in one step: to a twentieth, and its slope up by no more than some e^30.
  const double floor = std::max(0.05, std::exp(-30 * alpha));
  evaluate(y.data());
  for (int iteration = 0, last = 0; iteration < 400; ++iteration) {
    // Newton's step in the unknowns p dy: (R + diag(y^(-1/alpha - 1) / alpha)) (p dy) = residual.
    for (std::size_t i = 0; i < n; ++i) {
      double* row = l.data() + i * n;
      const double curvature = slope[i] / (p[i] * y[i] * alpha);
      double left = 1 + curvature;
      for (std::size_t j = 0; j < i; ++j) {
        const double* other = l.data() + j * n;
        row[j] = (r[i * n + j] - detail::dot(row, other, j)) / other[j];
        left -= row[j] * row[j];
      }
      row[i] = std::sqrt(std::max(left, detail::eps * (1 + curvature)));
      step[i] = (residual[i] - detail::dot(row, step.data(), i)) / row[i];
    }
    for (std::size_t i = n; i-- > 0;) {
      for (std::size_t j = i + 1; j < n; ++j) step[i] -= l[j * n + i] * step[j];
      step[i] /= l[i * n + i];
    }
    double downhill = 0, length = 1, change = 0;
    for (std::size_t i = 0; i < n; ++i) {
      downhill += residual[i] * step[i];  // before the step is one of y, where both have a factor p
      step[i] /= p[i];
      if (y[i] + step[i] < floor * y[i]) length = std::min(length, (floor - 1) * y[i] / step[i]);
      change = std::max(change, std::abs(step[i]) / y[i]);
    }
    // Back to where the slope along the step is still downhill, or much less than it was, or lost in rounding: tasks with
    // small weights have no say in it, and must not be held up by the others' last places.
    detail::Numbers at;
    for (int halving = 0; halving < 60; ++halving, length /= 2) {
      for (std::size_t i = 0; i < n; ++i) at[i] = y[i] + length * step[i];
      evaluate(at.data());
      double now = 0, rounding = 0;
      for (std::size_t i = 0; i < n; ++i) {
        now += residual[i] * step[i] * p[i];
        rounding += noise[i] * std::abs(step[i]) * p[i];
      }
      if (now >= -0.5 * downhill - rounding) break;
    }
    std::copy_n(at.begin(), n, y.begin());
    if (change < 1e-6 && ++last == 3) break;  // the third is for problems whose last places move
    if (change < 1e-14) break;
  }
  for (std::size_t i = 0; i < n; ++i) w[i] = w0[i] * y[i];
  return true;
}

/// w = the point of {w >= 0, sum w = 1} that is nearest to v. n is at least 1.
/// Reference: Held, Wolfe and Crowder, "Validation of subgradient optimization", Mathematical Programming 6 (1974).
[[gnu::noinline]] inline void project_on_simplex(std::span<const double> v, std::span<double> w) {
  const std::size_t n = v.size();
  detail::Numbers sorted;
  std::copy(v.begin(), v.end(), sorted.begin());
  std::sort(sorted.begin(), sorted.begin() + static_cast<long>(n), [](double a, double b) { return a > b; });
  double sum = 0, threshold = 0;
  for (std::size_t k = 0; k < n; ++k) {
    sum += sorted[k];
    const double shift = (sum - 1) / static_cast<double>(k + 1);
    if (sorted[k] > shift) threshold = shift;
  }
  for (std::size_t i = 0; i < n; ++i) w[i] = std::max(0.0, v[i] - threshold);
}

}  // namespace mtlx::balancing
