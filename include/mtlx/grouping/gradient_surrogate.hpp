// SPDX-License-Identifier: MIT
// Which tasks should train together, by one joint training and per-sample gradients at its end. With theta_0 the shared
// parameters there and P : (d, shared) a random matrix of +-1 / sqrt(d), each set S of tasks is "trained" within the d
// directions P^T w, on a model that is linear in w:
//   w_S = argmin  sum_{t in S} mean over t's samples of phi(u_s + a_s . w)  +  lambda / 2 |w|^2
// and then judged for real: L_i(theta_0 + P^T w_S) on samples that were not trained on. A set's gain for its member i is
// log L_i({i}) - log L_i(S): positive where i is better off with S than alone.
//
// What is linear in w is not the loss l but a u with l = phi(u), from the loss and its sketched gradient g = P grad l alone:
//   margin : l = log(1 + e^-u), u = log(p / (1 - p)), a = -g / (1 - p), p = e^-l. For losses that are -log of a probability
//            (cross-entropy of any number of classes, of one label): the paper's logistic regression.
//   root   : l = u^2, u = sqrt(l), a = g / (2 u). The curvature is 2 a a^T = g g^T / (2 l): for squared errors of one output
//            Gauss and Newton's, for others never more than it (Cauchy and Schwarz). For any other loss of at least 0.
// The empirical Fisher matrix, g g^T without 2 l, was not taken: its scale has nothing to do with the loss's curvature.
//
// Reference: Li, Sharma, Zhang, "Scalable Multitask Learning Using Gradient-based Estimation of Task Affinity", KDD 2024
// (Grad-TAG), sections 3.1 to 3.3. There the labels enter the regression; here losses and gradients do. The paper rounds a
// semidefinite programme; here the groups come from best_groups.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/detail/words.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/grouping/search.hpp>
#include <mtlx/grouping/statistics/balanced_subsets.hpp>
#include <mtlx/grouping/workshop.hpp>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// Which function of a sample's loss is taken to be linear in the parameters; see the head of this file.
enum class Link { margin, root };

namespace detail {

/// A task's samples, seen through the projection: each one's u, and how it moves.
struct Sketches {
  Link link = Link::margin;
  Eigen::VectorXd u;
  Eigen::MatrixXd a;  // (dimensions, samples)
};

/// phi(u), and its two derivatives.
struct Curve {
  double value, slope, curvature;
};
inline Curve curve(Link link, double u) {
  if (link == Link::root) return {u * u, 2 * u, 2};
  const double wrong = sigmoid(-u);
  return {softplus(-u), -wrong, wrong * (1 - wrong)};
}

/// From a sample's loss and sketched gradient to u and a. What can't move counts as a constant.
[[gnu::cold, gnu::noinline]] inline void unlink(Link link, double loss, const Eigen::VectorXd& gradient, double& u,
                                                Eigen::Ref<Eigen::VectorXd> a) {
  a.setZero();
  if (link == Link::root) {
    u = std::sqrt(loss);
    if (u > 0) a = gradient / (2 * u);
    return;
  }
  const double wrong = -std::expm1(-loss);
  // Below a float's last places a gradient says nothing any more, and such a sample's loss stays near 0.
  u = wrong > 1e-7 ? -loss - std::log(wrong) : -std::log(1e-7);
  if (wrong > 1e-7) a = -gradient / wrong;
}

/// The sum over tasks of the mean of phi(u + a . w), with lambda / 2 |w|^2; its gradient and curvature where they are wanted.
[[gnu::cold, gnu::noinline]] inline double sketched_loss(std::span<const Sketches> all, TaskSet set, double lambda,
                                                         const Eigen::VectorXd& w, Eigen::VectorXd* gradient,
                                                         Eigen::MatrixXd* curvature) {
  double sum = lambda / 2 * w.squaredNorm();
  if (gradient != nullptr) *gradient = lambda * w;
  if (curvature != nullptr) curvature->setIdentity(w.size(), w.size()) *= lambda;
  for (std::size_t t = 0; t < all.size(); ++t) {
    if (!set.has(t)) continue;
    const Eigen::VectorXd u = all[t].u + all[t].a.transpose() * w;
    Eigen::VectorXd slopes(u.size()), roots(u.size());
    const double share = 1 / static_cast<double>(u.size());
    for (Eigen::Index s = 0; s < u.size(); ++s) {
      const Curve at = curve(all[t].link, u[s]);
      sum += share * at.value;
      slopes[s] = share * at.slope;
      roots[s] = std::sqrt(share * at.curvature);
    }
    if (gradient != nullptr) gradient->noalias() += all[t].a * slopes;
    if (curvature != nullptr) curvature->selfadjointView<Eigen::Lower>().rankUpdate(all[t].a * roots.asDiagonal());
  }
  return sum;
}

/// Its minimum, by Newton's method with halved steps: the sum is convex.
[[gnu::cold, gnu::noinline]] inline Eigen::VectorXd sketched_minimum(std::span<const Sketches> all, TaskSet set,
                                                                     double lambda, Eigen::Index dimensions) {
  Eigen::VectorXd w = Eigen::VectorXd::Zero(dimensions), gradient(dimensions), step(dimensions);
  Eigen::MatrixXd curvature(dimensions, dimensions);
  for (int iteration = 0; iteration < 50; ++iteration) {
    const double now = sketched_loss(all, set, lambda, w, &gradient, &curvature);
    step = curvature.selfadjointView<Eigen::Lower>().llt().solve(gradient);
    const double fall = gradient.dot(step);
    if (!(fall > 1e-12 * std::abs(now))) break;
    double share = 1;
    while (share > 1e-6 &&
           sketched_loss(all, set, lambda, w - share * step, nullptr, nullptr) > now - 1e-4 * share * fall)
      share /= 2;
    w -= share * step;
  }
  return w;
}

}  // namespace detail

/// Grouping policy: Grad-TAG. One joint training, then sets of tasks are compared by regressions on projected gradients.
struct GradientSurrogate {
  static constexpr auto kind = Kind::grouping;

  std::size_t groups = 2;        ///< networks at most
  std::size_t runs = 1;          ///< joint trainings with fresh weights; gains are their means
  std::size_t epochs = 0;        ///< of each; 0: as many as the fit was asked for
  std::size_t dimensions = 200;  ///< d, of the projection
  std::size_t samples = 400;     ///< of each task, drawn from its training samples; 0: all
  std::size_t subsets = 0;       ///< sets of two tasks or more that are compared; 0: all up to 7 tasks, else 20 a task
  std::vector<Link> links = {};  ///< of each task's loss; none: margin for all
  /// lambda over the mean eigenvalue of a task's curvature; with several, the one with which tasks alone do best.
  std::vector<double> damping = {0.1, 1, 10, 100};
  double held_out = 0.1;  ///< share of the training samples that judges, where there are no validation data

  /// Throws `Error` if an option is out of range.
  [[gnu::cold]] void validate() const {
    detail::check_search_options("GradientSurrogate", groups, runs, held_out);
    check_option("GradientSurrogate: dimensions", static_cast<double>(dimensions), {.least = 1});
    if (damping.empty()) fail("GradientSurrogate: damping needs at least one number");
    for (const double d : damping)
      if (!(is_finite(d) && d > 0)) fail("GradientSurrogate: damping must be above 0, and is ", d);
  }

  /// Throws `Error` where a task has no samples, a number is not finite, or a loss is below 0 (or 0 where it judges: gains
  /// are ratios).
  [[gnu::cold]] Plan find(Workshop& workshop) const {
    validate();
    const std::size_t tasks = workshop.tasks();
    if (!links.empty() && links.size() != tasks)
      fail("GradientSurrogate: links: one of each of the ", tasks, " tasks or none, and not ", links.size());
    const TaskSet everybody = TaskSet::first(tasks);
    if (tasks == 1) return detail::plan_of_one_task();
    workshop.hold_out(workshop.validates() ? 0 : held_out);

    const bool all = subsets == 0 && tasks <= 7;
    const std::vector<TaskSet> sets =
        all ? every_set(tasks)
            : balanced_subsets(tasks, {.count = subsets > 0 ? subsets : 20 * tasks, .seed = workshop.seed()}).subsets;
    std::vector<double> gains(sets.size() * tasks);  // (sets, tasks): log L_i({i}) - log L_i(S)
    std::vector<double> chosen;
    std::size_t sketched = 0, judged = 0;
    for (std::size_t run = 0; run < runs; ++run) {
      const double end = 1;
      const Trained base =
          workshop.train({.members = everybody, .run = run, .epochs = epochs, .snapshots = std::span(&end, 1)});
      Still& still = workshop.still(base.states.at(0), everybody);
      const std::uint64_t seed = workshop.seed() + run;
      const auto sketches = sketch(workshop, still, seed);
      for (const auto& task : sketches) sketched += static_cast<std::size_t>(task.u.size());

      const double scale = mean_eigenvalue(sketches);
      std::vector<double> alone;
      double lambda = 0, best = 0;
      for (const double d : damping) {
        std::vector<double> logs(tasks);
        for (std::size_t t = 0; t < tasks; ++t)
          logs[t] = log_losses(workshop, still, seed, sketches, TaskSet::only(t), d * scale)[t];
        judged += tasks;
        const double sum = std::accumulate(logs.begin(), logs.end(), 0.0);
        if (alone.empty() || sum < best) lambda = d, best = sum, alone = std::move(logs);
      }
      chosen.push_back(lambda);
      for (std::size_t s = 0; s < sets.size(); ++s) {
        if (sets[s].count() < 2) continue;
        const auto logs = log_losses(workshop, still, seed, sketches, sets[s], lambda * scale);
        ++judged;
        for (std::size_t t = 0; t < tasks; ++t)
          if (sets[s].has(t)) gains[s * tasks + t] += (alone[t] - logs[t]) / static_cast<double>(runs);
      }
    }

    // The pairs' mean over the sets that hold both, as the paper has it.
    std::vector<double> table(tasks * tasks), counts(tasks * tasks);
    for (std::size_t s = 0; s < sets.size(); ++s)
      for (std::size_t i = 0; i < tasks; ++i)
        for (std::size_t j = 0; j < tasks; ++j)
          if (i != j && sets[s].has(i) && sets[s].has(j))
            table[i * tasks + j] += gains[s * tasks + i], counts[i * tasks + j] += 1;
    for (std::size_t c = 0; c < table.size(); ++c)
      table[c] = counts[c] > 0 ? table[c] / counts[c] : std::numeric_limits<double>::quiet_NaN();
    for (std::size_t t = 0; t < tasks; ++t) table[t * tasks + t] = 0;

    // A task alone gains 0.
    const auto gain = [&](std::size_t task, TaskSet group) { return gains[(group.bits() - 1) * tasks + task]; };
    const GroupSearch found =
        all ? best_groups(gain, tasks, groups) : best_groups(table, tasks, groups, {.alone = {0.0}});

    Plan plan{found.plan()};
    plan.evidence.value = found.value;
    plan.evidence.text = detail::plan_words(plan.groups, workshop.names()) +
                         words(workshop, sets.size() - tasks, sketched, judged, chosen, all) +
                         detail::search_words(found);
    Table& shown = plan.evidence.tables.emplace_back();
    shown.title = "Mean gain log L_i({i}) - log L_i(S) of the affected task over the sets S that hold both, estimated";
    shown.tasks = detail::task_names(workshop.names());
    for (std::size_t t = 0; t < tasks; ++t) table[t * tasks + t] = std::numeric_limits<double>::quiet_NaN();
    shown.values = std::move(table);
    return plan;
  }

 private:
  static std::vector<TaskSet> every_set(std::size_t tasks) {
    std::vector<TaskSet> all;
    for (std::uint64_t bits = 1; bits < std::uint64_t{1} << tasks; ++bits) all.push_back(TaskSet::of_bits(bits));
    return all;
  }

  // Losses and gradients of samples of each task.
  [[gnu::cold]] std::vector<detail::Sketches> sketch(const Workshop& workshop, Still& still, std::uint64_t seed) const {
    std::vector<detail::Sketches> all(workshop.tasks());
    Eigen::VectorXd gradient(static_cast<Eigen::Index>(dimensions));
    for (std::size_t t = 0; t < all.size(); ++t) {
      const std::size_t there = still.samples(t);
      if (there == 0) fail("GradientSurrogate: the task \"", workshop.names()[t], "\" has no training samples");
      std::vector<std::size_t> drawn(there);
      std::iota(drawn.begin(), drawn.end(), std::size_t{0});
      if (samples > 0 && samples < there) {
        Random random(seed, Purpose::group, t);
        random.shuffle(std::span(drawn));
        drawn.resize(samples);
      }
      all[t].link = links.empty() ? Link::margin : links[t];
      all[t].u.resize(static_cast<Eigen::Index>(drawn.size()));
      all[t].a.resize(gradient.size(), all[t].u.size());
      for (Eigen::Index s = 0; s < all[t].u.size(); ++s) {
        const std::size_t sample = drawn[static_cast<std::size_t>(s)];
        const double loss = still.sketch(t, sample, seed, {gradient.data(), dimensions});
        if (!(is_finite(loss) && loss >= 0 && is_finite(gradient.squaredNorm())))
          fail("GradientSurrogate: sample ", sample, " of the task \"", workshop.names()[t], "\" has the loss ", loss,
               "; it and its gradient must be finite, and it at least 0");
        detail::unlink(all[t].link, loss, gradient, all[t].u[s], all[t].a.col(s));
      }
    }
    return all;
  }

  // Over dimensions and tasks, where training ended.
  double mean_eigenvalue(std::span<const detail::Sketches> all) const {
    double sum = 0;
    for (const detail::Sketches& task : all)
      for (Eigen::Index s = 0; s < task.u.size(); ++s)
        sum += detail::curve(task.link, task.u[s]).curvature * task.a.col(s).squaredNorm() /
               static_cast<double>(task.u.size());
    const double mean = sum / static_cast<double>(dimensions * all.size());
    // Where nothing can move, any lambda will do.
    return mean > 0 ? mean : 1;
  }

  // log L_t at what the set's training came to, for its members.
  [[gnu::cold]] std::vector<double> log_losses(const Workshop& workshop, Still& still, std::uint64_t seed,
                                               std::span<const detail::Sketches> all, TaskSet set,
                                               double lambda) const {
    const Eigen::VectorXd w = detail::sketched_minimum(all, set, lambda, static_cast<Eigen::Index>(dimensions));
    const auto losses = still.losses_along(seed, {w.data(), dimensions});
    std::vector<double> logs(all.size());
    for (std::size_t t = 0; t < all.size(); ++t) {
      if (!set.has(t)) continue;
      if (!(is_finite(losses[t]) && losses[t] > 0))
        fail("GradientSurrogate: the loss of the task \"", workshop.names()[t], "\" is ", losses[t],
             " on the samples that judge; gains are ratios of losses, which must be above 0");
      logs[t] = std::log(losses[t]);
    }
    return logs;
  }

  [[gnu::cold]] std::string words(const Workshop& workshop, std::size_t compared, std::size_t sketched,
                                  std::size_t judged, std::span<const double> chosen, bool all) const {
    std::string text =
        join("Gradient surrogate: ", compared, all ? " sets of tasks, all there are of two or more," : " sets of tasks",
             " compared by regressions on gradients of ", sketched, " samples in ", dimensions,
             " random directions, after ", runs, runs == 1 ? " joint training. " : " joint trainings. ",
             workshop.steps(), " steps of training so far, and the ", judged,
             " results were judged with the network itself on samples that were not trained on.\n");
    text += "lambda, over the mean eigenvalue, with which tasks alone did best:";
    for (const double d : chosen) text += join(" ", d);
    text += join(".\nThe gains are estimates near the end of that training: no set was trained. They have no intervals",
                 runs == 1 ? ", and one training is no replication" : "",
                 ". In the table a row is the task that gains, a column its partner.\n");
    return text + detail::no_cause;
  }
};

}  // namespace mtlx::grouping
