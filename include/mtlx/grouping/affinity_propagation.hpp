// SPDX-License-Identifier: MIT
// Affinity propagation: groups of items around exemplars, whose number is found and not given. Messages between items i and
// candidates k, of similarity s(i, k), damped by λ:
//   responsibility r(i, k) <- λ r + (1 - λ) [s(i, k) - max_{k' != k} (a(i, k') + s(i, k'))]
//   availability   a(i, k) <- λ a + (1 - λ) min(0, r(k, k) + sum_{i' not in {i, k}} max(0, r(i', k)))
//                  a(k, k) <- λ a + (1 - λ) sum_{i' != k} max(0, r(i', k))
// k is an exemplar where r(k, k) + a(k, k) > 0; s(k, k) is the preference: the higher, the more groups.
// Reference: Frey and Dueck, "Clustering by Passing Messages Between Data Points", Science 315 (2007). Ends, ties and the
// last refinement are scikit-learn's, except that its noise against ties comes from a stream of our own.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// Options of `affinity_propagation`.
struct AffinityPropagation {
  double damping = 0.5;          ///< λ, from 0.5 to below 1: more where it swings
  std::size_t iterations = 200;  ///< at most
  std::size_t convergence = 15;  ///< iterations in a row without another set of exemplars, after which it ends
  std::uint64_t seed = 0;        ///< of the noise, some 1e-16 of each similarity, that tells equal ones apart
};

/// What affinity propagation found.
struct Exemplars {
  std::vector<std::size_t> labels;     ///< (items): which group an item is in, from 0
  std::vector<std::size_t> exemplars;  ///< a group each, in ascending order
  /// Whether the exemplars stood still. Where they did not, groups are those of the last iteration; without any exemplar
  /// labels and exemplars are empty.
  bool converged = false;
  std::size_t iterations = 0;
};

/// The median of all numbers of a table, the usual preference. Throws `Error` if there is none, or one is not finite.
[[gnu::cold, gnu::noinline]] inline double median_similarity(std::span<const double> similarity) {
  if (similarity.empty()) fail("affinity propagation: the median of no similarities");
  for (const double s : similarity)
    if (!is_finite(s)) fail("affinity propagation: a similarity is not finite");
  std::vector<double> sorted(similarity.begin(), similarity.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

namespace detail {

// The messages of affinity propagation, (items, items) each, row by row.
class Messages {
 public:
  Messages(std::vector<double> similarity, std::size_t items, double damping)
      : s_(std::move(similarity)),
        r_(items * items),
        a_(items * items),
        support_(items),
        n_(items),
        damping_(damping) {}

  /// Sends all messages once, and writes who is an exemplar now. Whether that is another set than it was.
  bool send(std::vector<char>& exemplar) {
    for (std::size_t i = 0; i < n_; ++i) {
      const double *s = &s_[i * n_], *a = &a_[i * n_];
      double* r = &r_[i * n_];
      double most = lowest, second = lowest;
      std::size_t best = 0;
      for (std::size_t k = 0; k < n_; ++k) {
        const double sum = a[k] + s[k];
        if (sum > most)
          second = most, most = sum, best = k;
        else if (sum > second)
          second = sum;
      }
      for (std::size_t k = 0; k < n_; ++k)
        r[k] = damping_ * r[k] + (1 - damping_) * (s[k] - (k == best ? second : most));
    }
    // The sums over a column, row by row.
    std::fill(support_.begin(), support_.end(), 0.0);
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t k = 0; k < n_; ++k) support_[k] += i == k ? r_[i * n_ + k] : std::max(0.0, r_[i * n_ + k]);
    bool changed = false;
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t k = 0; k < n_; ++k) {
        const double r = r_[i * n_ + k];
        double& a = a_[i * n_ + k];
        const double now = i == k ? support_[k] - r : std::min(0.0, support_[k] - std::max(0.0, r));
        a = damping_ * a + (1 - damping_) * now;
      }
    for (std::size_t k = 0; k < n_; ++k) {
      const char is = r_[k * n_ + k] + a_[k * n_ + k] > 0;
      changed = changed || is != exemplar[k];
      exemplar[k] = is;
    }
    return changed;
  }

  /// Each item to its nearest exemplar; then each group takes the member that is nearest to all of it, and items are told
  /// apart once more.
  void settle(std::vector<std::size_t> chosen, Exemplars& found) const {
    found.labels = nearest(chosen);
    for (std::size_t g = 0; g < chosen.size(); ++g) {
      double most = lowest;
      for (std::size_t k = 0; k < n_; ++k) {
        if (found.labels[k] != g) continue;
        double sum = 0;
        for (std::size_t i = 0; i < n_; ++i)
          if (found.labels[i] == g) sum += s_[i * n_ + k];
        if (sum > most) most = sum, chosen[g] = k;
      }
    }
    std::sort(chosen.begin(), chosen.end());
    found.labels = nearest(chosen);
    found.exemplars = std::move(chosen);
  }

 private:
  static constexpr double lowest = -std::numeric_limits<double>::max();

  std::vector<std::size_t> nearest(const std::vector<std::size_t>& chosen) const {
    std::vector<std::size_t> labels(n_);
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t g = 1; g < chosen.size(); ++g)
        if (s_[i * n_ + chosen[g]] > s_[i * n_ + chosen[labels[i]]]) labels[i] = g;
    for (std::size_t g = 0; g < chosen.size(); ++g) labels[chosen[g]] = g;
    return labels;
  }

  std::vector<double> s_, r_, a_, support_;
  std::size_t n_;
  double damping_;
};

}  // namespace detail

/// Groups of items by their similarity : (items, items) row by row, similarity[i * items + k] = how well k stands for i. It
/// need not be symmetric. `preference` takes the place of the diagonal; `median_similarity(similarity)` is usual. Throws
/// `Error` where a number is not finite (the diagonal is not read) or an option out of range.
[[gnu::cold, gnu::noinline]] inline Exemplars affinity_propagation(std::span<const double> similarity,
                                                                   std::size_t items, double preference,
                                                                   const AffinityPropagation& options = {}) {
  check_option("affinity propagation: damping", options.damping, {0.5, 1, false});
  check_option("affinity propagation: iterations", static_cast<double>(options.iterations), {1});
  check_option("affinity propagation: convergence", static_cast<double>(options.convergence), {1});
  if (!is_finite(preference)) fail("affinity propagation: the preference is not finite");
  if (items == 0 || similarity.size() != items * items)
    fail("affinity propagation: ", similarity.size(), " similarities for ", items, " items; it takes items x items");
  std::vector<double> s(similarity.begin(), similarity.end());
  bool alike = true;
  for (std::size_t i = 0; i < items; ++i) {
    s[i * items + i] = preference;
    for (std::size_t k = 0; k < items; ++k) {
      if (!is_finite(s[i * items + k])) fail("affinity propagation: the similarity (", i, ", ", k, ") is not finite");
      if (i != k) alike = alike && s[i * items + k] == s[items > 1 ? 1 : 0];
    }
  }
  Exemplars found;
  if (alike) {
    // No similarity says more than another: one group, or one each where items stand better for themselves.
    found.converged = true;
    const bool each = items == 1 || preference > s[1];
    for (std::size_t i = 0; i < items; ++i) found.labels.push_back(each ? i : 0);
    for (std::size_t i = 0; i < (each ? items : 1); ++i) found.exemplars.push_back(i);
    return found;
  }
  Random random(options.seed, Purpose::group);
  for (double& number : s)
    number +=
        (std::numeric_limits<double>::epsilon() * number + 100 * std::numeric_limits<double>::min()) * random.normal();

  detail::Messages messages(s, items, options.damping);
  std::vector<char> exemplar(items);
  std::size_t still = 0;
  while (found.iterations < options.iterations && !found.converged) {
    still = messages.send(exemplar) ? 1 : still + 1;
    ++found.iterations;
    const bool any = std::find(exemplar.begin(), exemplar.end(), char{1}) != exemplar.end();
    found.converged = any && still >= options.convergence && found.iterations > options.convergence;
  }
  std::vector<std::size_t> chosen;
  for (std::size_t k = 0; k < items; ++k)
    if (exemplar[k] != 0) chosen.push_back(k);
  if (!chosen.empty()) messages.settle(std::move(chosen), found);
  return found;
}

}  // namespace mtlx::grouping
