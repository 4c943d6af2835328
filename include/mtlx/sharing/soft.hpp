// SPDX-License-Identifier: MIT
// Soft parameter sharing: a trunk for each task, z_t = head_t(trunk_t(x)), and a penalty that pulls the trunks together.
// With W_t the parameters of task t's trunk, T tasks, and a strength lambda, these are added to the sum of the losses:
//   ToMean      lambda sum_t |W_t - M|²,  M = 1/T sum_t W_t        gradient 2 lambda (W_t - M)
//   Pairwise    lambda sum_{s<t} |W_s - W_t|²                      gradient 2 lambda sum_s (W_t - W_s)
//   TraceNorm   lambda sum_l |[w_1l ... w_Tl]|_*                   by its proximal step
// where |A|_* is the sum of A's singular values and w_tl the weights of layer l as one row: A is (T, numbers), so that the
// tasks' layers become combinations of few. The proximal step after an update with learning rate r makes singular values s
// max(0, s - r lambda). With A Aᵀ = U S² Uᵀ, a (T, T) problem, it is A - U min(1, r lambda / S) Uᵀ A.
// References: Evgeniou and Pontil, "Regularized Multi-Task Learning", KDD 2004 (the mean); Duong et al., "Low Resource
// Dependency Parsing", ACL 2015 (pairs of networks); Yang and Hospedales, "Trace Norm Regularised Deep Multi-Task
// Learning", ICLR workshop 2017; the proximal step: Cai, Candès and Shen, "A Singular Value Thresholding Algorithm for
// Matrix Completion", SIAM J. Optimization 20 (2010), theorem 2.1.
#pragma once

#include <mtlx/core/options.hpp>
#include <mtlx/core/spectrum.hpp>
#include <mtlx/sharing/single.hpp>

#include <algorithm>
#include <cmath>
#include <span>

namespace mtlx::sharing {

/// The same parameters of each task's trunk: row[t] are the t-th task's of those that train, `size` numbers. Those of absent tasks are to be read, and
/// not to be changed.
template <class S>
struct TrunkRows {
  std::array<S*, TaskSet::capacity> row{};
  std::size_t tasks = 0, size = 0;
  TaskSet present;
};

namespace detail {

inline constexpr std::size_t columns_at_once = 128;

/// function(first column, columns) for neighbouring columns, few enough to lie on the stack.
template <class Function>
void for_each_columns(std::size_t size, Function&& function) {
  for (std::size_t first = 0; first < size; first += columns_at_once)
    function(first, std::min(columns_at_once, size - first));
}

template <class S>
std::array<double, columns_at_once> mean_of(const TrunkRows<const S>& w, std::size_t first, std::size_t count) {
  std::array<double, columns_at_once> mean{};
  for (std::size_t t = 0; t < w.tasks; ++t)
    for (std::size_t i = 0; i < count; ++i) mean[i] += static_cast<double>(w.row[t][first + i]);
  for (std::size_t i = 0; i < count; ++i) mean[i] /= static_cast<double>(w.tasks);
  return mean;
}

/// sum_t |W_t - M|²
template <class S>
[[gnu::noinline]] double spread(const TrunkRows<const S>& w) {
  double sum = 0;
  for_each_columns(w.size, [&](std::size_t first, std::size_t count) {
    const auto mean = mean_of(w, first, count);
    for (std::size_t t = 0; t < w.tasks; ++t)
      for (std::size_t i = 0; i < count; ++i) {
        const double away = static_cast<double>(w.row[t][first + i]) - mean[i];
        sum += away * away;
      }
  });
  return sum;
}

/// Adds factor (W_t - M) to the rows of present tasks.
template <class S>
[[gnu::noinline]] void add_away_from_mean(const TrunkRows<const S>& w, double factor, const TrunkRows<S>& to) {
  for_each_columns(w.size, [&](std::size_t first, std::size_t count) {
    const auto mean = mean_of(w, first, count);
    for (std::size_t t = 0; t < w.tasks; ++t) {
      if (!w.present.has(t)) continue;
      for (std::size_t i = 0; i < count; ++i)
        to.row[t][first + i] += static_cast<S>(factor * (static_cast<double>(w.row[t][first + i]) - mean[i]));
    }
  });
}

/// The spectrum of W Wᵀ, W : (tasks, size).
template <class S>
[[gnu::noinline]] Spectrum spectrum_of(const TrunkRows<const S>& w) {
  mtlx::detail::small::Square gram{};
  const std::size_t n = w.tasks;
  for_each_columns(w.size, [&](std::size_t first, std::size_t count) {
    for (std::size_t s = 0; s < n; ++s)
      for (std::size_t t = 0; t <= s; ++t) {
        double sum = 0;
        for (std::size_t i = 0; i < count; ++i)
          sum += static_cast<double>(w.row[s][first + i]) * static_cast<double>(w.row[t][first + i]);
        gram[s * n + t] += sum;
      }
  });
  for (std::size_t s = 0; s < n; ++s)
    for (std::size_t t = 0; t < s; ++t) gram[t * n + s] = gram[s * n + t];
  // What is shorter than 1e-7 of its row is rounding of the row's own numbers.
  return Spectrum({gram.data(), n * n}, n, 1e-14);
}

}  // namespace detail

/// Penalty of `Soft`: the squared distance of each trunk to their mean, lambda sum_t |W_t - M|². All of a trunk's parameters
/// are pulled, biases and norms too: the pull is to each other and not to 0, and with a large strength it ends in `Hard`.
struct ToMean {
  static constexpr bool weights_only = false;

  double strength = 1e-2;  ///< lambda, at least 0

  void validate() const { check_option("ToMean: strength", strength); }
  template <class S>
  double penalty(const TrunkRows<const S>& w) const {
    return strength * detail::spread(w);
  }
  template <class S>
  void regularise(const TrunkRows<const S>& w, const TrunkRows<S>& gradient) const {
    if (strength > 0) detail::add_away_from_mean(w, 2 * strength, gradient);
  }
};

/// Penalty of `Soft`: the squared distance of each two trunks, lambda sum_{s<t} |W_s - W_t|²; it is `ToMean` with T times
/// the strength. All of a trunk's parameters are pulled.
struct Pairwise {
  static constexpr bool weights_only = false;

  double strength = 1e-2;  ///< lambda, at least 0

  void validate() const { check_option("Pairwise: strength", strength); }
  template <class S>
  double penalty(const TrunkRows<const S>& w) const {
    return strength * static_cast<double>(w.tasks) * detail::spread(w);
  }
  template <class S>
  void regularise(const TrunkRows<const S>& w, const TrunkRows<S>& gradient) const {
    if (strength > 0) detail::add_away_from_mean(w, 2 * strength * static_cast<double>(w.tasks), gradient);
  }
};

/// Penalty of `Soft`: the trace norm of each layer's weights, a row for each task, by a proximal step after each update. Of
/// a trunk's parameters the weights and embeddings are asked for: the step makes numbers smaller too, which would be a decay
/// of biases and norms.
struct TraceNorm {
  static constexpr bool weights_only = true;

  double strength = 1e-2;  ///< lambda, at least 0

  void validate() const { check_option("TraceNorm: strength", strength); }
  template <class S>
  double penalty(const TrunkRows<const S>& w) const {
    const Spectrum spectrum = detail::spectrum_of(w);
    double sum = 0;
    for (std::size_t k = 0; k < spectrum.rank(); ++k) sum += std::sqrt(spectrum.value(k));
    return strength * sum;
  }
  /// The rows of present tasks become those of the proximal point of all rows.
  template <class S>
  [[gnu::noinline]] void project(const TrunkRows<S>& w, double learning_rate) const {
    const double threshold = strength * learning_rate;
    if (!(threshold > 0)) return;
    const std::size_t n = w.tasks;
    TrunkRows<const S> all{.row = {}, .tasks = n, .size = w.size, .present = w.present};
    std::copy_n(w.row.begin(), n, all.row.begin());
    const Spectrum spectrum = detail::spectrum_of(all);
    mtlx::detail::small::Square away{};  // U min(1, threshold / S) Uᵀ
    for (std::size_t k = 0; k < spectrum.rank(); ++k) {
      const double share = std::min(1.0, threshold / std::sqrt(spectrum.value(k)));
      const auto u = spectrum.vector(k);
      for (std::size_t s = 0; s < n; ++s)
        for (std::size_t t = 0; t < n; ++t) away[s * n + t] += share * u[s] * u[t];
    }
    detail::for_each_columns(w.size, [&](std::size_t first, std::size_t count) {
      std::array<std::array<double, detail::columns_at_once>, TaskSet::capacity> change;
      for (std::size_t s = 0; s < n; ++s) {
        if (!w.present.has(s)) continue;
        change[s].fill(0);
        for (std::size_t t = 0; t < n; ++t)
          for (std::size_t i = 0; i < count; ++i)
            change[s][i] += away[s * n + t] * static_cast<double>(w.row[t][first + i]);
      }
      for (std::size_t s = 0; s < n; ++s) {
        if (!w.present.has(s)) continue;
        for (std::size_t i = 0; i < count; ++i)
          w.row[s][first + i] = static_cast<S>(static_cast<double>(w.row[s][first + i]) - change[s][i]);
      }
    });
  }
};

/// A penalty of `Soft`: an aggregate like `ToMean`, with `weights_only`, `penalty` and one or both of
///   template <class S> void regularise(const TrunkRows<const S>&, const TrunkRows<S>& gradient) const;   adds the gradient
///   template <class S> void project(const TrunkRows<S>&, double learning_rate) const;     changes what an update has left
/// It is asked for a whole trunk at once, or for each block of weights.
template <class P>
concept SoftPenalty = requires(const P& penalty, const TrunkRows<const double>& w, const TrunkRows<double>& to) {
  { P::weights_only } -> std::convertible_to<bool>;
  { penalty.penalty(w) } -> std::convertible_to<double>;
  requires requires { penalty.regularise(w, to); } || requires { penalty.project(to, 0.0); };
};

/// Sharing policy: a trunk for each task as in `Single`, and a penalty that pulls them together. Trunk and heads are written
/// as for `Hard`, the heads behind the penalty. Heads are not pulled. A task without labels in a step keeps its trunk, and
/// the others' are pulled to it all the same; one that the training has no labels of takes no part.
template <class Trunk, class Penalty = ToMean, class... Heads>
struct Soft {
  static constexpr auto kind = Kind::sharing;

  Penalty pull{};

  [[gnu::cold]] void validate() const { mtlx::validate(pull); }

  template <Shape In, class TaskList>
  static consteval bool check() {
    static_assert(SoftPenalty<Penalty>,
                  "mtlx: the second argument of sharing::Soft is its penalty, such as sharing::ToMean, and heads come "
                  "after it");
    if constexpr (!SoftPenalty<Penalty>)
      return false;
    else
      return Single<Trunk, Heads...>::template check<In, TaskList>();
  }

  template <Shape In, class TaskList>
  struct Network : Single<Trunk, Heads...>::template Network<In, TaskList> {
    using Strategy = Soft;

    /// function(offset within a task's segment, numbers) for what the penalty is asked for at once.
    template <class Function>
    static void for_each_block(Function&& function) {
      if constexpr (Penalty::weights_only)
        nn::for_each_parameter<Trunk>(In, {}, [&](const nn::Path&, const nn::Parameter& p, std::size_t offset) {
          if (p.role == nn::Role::weight || p.role == nn::Role::embedding) function(offset, p.size());
        });
      else
        function(std::size_t{0}, nn::parameter_count<Trunk>(In));
    }
  };

  template <class Network, class S>
  double penalty(std::span<const S> parameters, Attendance who) const {
    double sum = 0;
    Network::for_each_block([&](std::size_t offset, std::size_t size) {
      sum += pull.penalty(rows<Network>(parameters.data(), offset, size, who));
    });
    return sum;
  }

  template <class Network, class S>
    requires requires(const Penalty& penalty, const TrunkRows<const S>& w, const TrunkRows<S>& gradient) {
      penalty.regularise(w, gradient);
    }
  void regularise(std::span<const S> parameters, Attendance who, std::span<S> gradient) const {
    Network::for_each_block([&](std::size_t offset, std::size_t size) {
      pull.regularise(rows<Network>(parameters.data(), offset, size, who),
                      rows<Network>(gradient.data(), offset, size, who));
    });
  }

  template <class Network, class S>
    requires requires(const Penalty& penalty, const TrunkRows<S>& w) { penalty.project(w, 0.0); }
  void project(std::span<S> parameters, Attendance who, double learning_rate) const {
    Network::for_each_block([&](std::size_t offset, std::size_t size) {
      pull.project(rows<Network>(parameters.data(), offset, size, who), learning_rate);
    });
  }

 private:
  template <class Network, class S>
  static TrunkRows<S> rows(S* numbers, std::size_t offset, std::size_t size, Attendance who) {
    TrunkRows<S> all{.row = {}, .tasks = 0, .size = size, .present = {}};
    for (std::size_t t = 0; t < Network::tasks; ++t) {
      if (!who.trained.has(t) && !who.present.has(t)) continue;
      if (who.present.has(t)) all.present = all.present.with(all.tasks);
      all.row[all.tasks++] = numbers + Network::segments[t].offset + offset;
    }
    return all;
  }
};

}  // namespace mtlx::sharing
