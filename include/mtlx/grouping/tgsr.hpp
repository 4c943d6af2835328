// SPDX-License-Identifier: MIT
// TGSR: groups of streams (degradations) that one network leaves unsatisfied, found by fine-tuning it, and drawn more often
// from then on. With theta the network after joint training, N streams D_i and I the quality on D_i's validation samples:
// 1. A stream alone is trained on for 100 steps. Its indicator is the change of its loss, the mean over the last 10 steps; the
//    40 % with the smallest (the loss fell most) are the unsatisfied ones, U.
// 2. For tau_k = 0.8, 0.6, 0.4, 0.2 dB, in this order:
//      theta' = theta fine-tuned on all of U for 10^4 steps
//      PIS(D_i) = I(D_i; theta') - I(D_i; theta)     the performance improvement score
//      G_k = {D_i in U : PIS(D_i) > tau_k},  U <- U \ G_k
// 3. Each step draws one of the groups G_0 (all streams), G_1, ..., G_K, each equally likely, and then one of its streams:
//    p_i = 1 / ((K + 1) |G_k|) + 1 / ((K + 1) N).
// Reference: Zhang et al., "Real-World Image Super-Resolution as Multi-Task Learning", NeurIPS 2023, section 4, Algorithm 1.
// There N = 4,000 streams had groups of 14, 29, 84 and 200; all others were in G_0 alone.
//
// Where the paper leaves open what is meant, here
// - the change of the loss is that on the batches of the last steps, with the weights that came to them, less that with theta
//   on the same batches: a difference of losses on different batches would mostly be their difference;
// - a stream is drawn by G_0 also if it is in another group (the paper's 1 / (5 |G_k|) is without that part);
// - groups that stay empty are no groups, and K counts the others;
// - a fine-tuning of the very U of the one before, whose group stayed empty, is not done again: its scores are used;
// - scores are means over the clusters (photos) of a stream's validation samples, of the task's first metric.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/drawing.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// Grouping policy of a network whose streams are drawn: TGSR's groups. Needs validation data with as many streams as the
/// training data. Costs N `indicator_steps` + up to K `group_steps` steps of measuring.
struct Tgsr {
  static constexpr auto kind = Kind::grouping;

  std::size_t joint_steps = 0;        ///< on all streams alike before grouping; 0: the weights are given
  std::size_t indicator_steps = 100;  ///< of the short fine-tuning of each stream
  std::size_t indicator_last = 10;    ///< steps at its end whose losses are compared
  double unsatisfied = 0.4;           ///< the share of the streams that may come into groups, above 0
  std::vector<double> thresholds{0.8, 0.6, 0.4,
                                 0.2};  ///< of the score, in the metric's unit (dB), falling; not negative
  std::size_t group_steps = 10000;      ///< of each fine-tuning of all that are left
  /// A group that its threshold leaves empty takes the unsatisfied streams with the highest scores above 0: as large a
  /// share of them as the paper's groups were, or what is left; one at least. The paper has no such rule. With other than
  /// four thresholds the shares are those of the first, and after the fourth that of the fourth.
  bool quantiles = false;

  void validate() const {
    if (indicator_steps == 0 || group_steps == 0)
      fail("Tgsr: indicator_steps and group_steps must be at least 1, and are ", indicator_steps, " and ", group_steps);
    if (indicator_last == 0 || indicator_last > indicator_steps)
      fail("Tgsr::indicator_last must be at least 1 and at most indicator_steps, ", indicator_steps, ", and is ",
           indicator_last);
    check_option("Tgsr::unsatisfied", unsatisfied, {.most = 1});
    if (!(unsatisfied > 0)) fail("Tgsr::unsatisfied must be above 0");
    if (thresholds.empty()) fail("Tgsr::thresholds is empty, expected at least one");
    for (std::size_t k = 0; k < thresholds.size(); ++k) {
      check_option("Tgsr::thresholds", thresholds[k]);
      if (k > 0 && !(thresholds[k] < thresholds[k - 1]))
        fail("Tgsr::thresholds must fall, and ", thresholds[k], " comes after ", thresholds[k - 1]);
    }
  }

  std::vector<Group> plan(std::size_t tasks) const { return {{TaskSet::first(tasks), TaskSet::first(tasks)}}; }

  /// What was found: see `Found`.
  std::size_t memory(std::size_t streams) const { return head + thresholds.size() + 2 * streams; }

  void look(Drawing& now) const {
    if (now.steps() < joint_steps)
      now.look_again_at(joint_steps);
    else
      group(now);
  }

  /// What was measured, by name.
  struct Found {
    bool grouped = false;
    std::size_t at = 0;                ///< the step before which that was
    std::size_t unsatisfied = 0;       ///< streams
    std::size_t fine_tunes = 0;        ///< of all that were left
    std::vector<bool> by_quantile{};   ///< each group: whether its threshold had left it empty
    std::vector<double> indicators{};  ///< each stream's: the loss after less that before
    std::vector<double> scores{};      ///< each stream's score when it was last judged; NaN for satisfied ones
  };
  [[gnu::cold, gnu::noinline]] Found found(const Drawn& drawn) const {
    Found result;
    if (drawn.memory.size() < head + thresholds.size() || drawn.memory[0] == 0) return result;
    const std::span<const double> all(drawn.memory);
    const std::size_t groups = thresholds.size(), streams = (all.size() - head - groups) / 2;
    result.grouped = true;
    result.at = static_cast<std::size_t>(all[0]) - 1;
    result.unsatisfied = static_cast<std::size_t>(all[1]);
    result.fine_tunes = static_cast<std::size_t>(all[2]);
    for (std::size_t k = 0; k < groups; ++k) result.by_quantile.push_back(all[head + k] > 0);
    const auto rest = all.subspan(head + groups);
    result.indicators.assign(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(streams));
    result.scores.assign(rest.begin() + static_cast<std::ptrdiff_t>(streams), rest.end());
    return result;
  }

  /// In words: who is unsatisfied, the groups, what they cost, and which are not the paper's. `names` of the streams, or
  /// none.
  [[gnu::cold, gnu::noinline]] std::string text(const Drawn& drawn, std::span<const std::string> names) const {
    const Found is = found(drawn);
    const std::size_t streams = drawn.chances.size();
    if (!is.grouped)
      return join("Tgsr: no groups yet; they are looked for after ", joint_steps, " steps on all streams alike.\n");
    std::string text = join("Tgsr: grouped after ", is.at, " steps, by a fine-tuning of ", indicator_steps,
                            " steps of each of ", streams, " streams and ", is.fine_tunes, " of ", group_steps,
                            " steps of those that were left: ", drawn.measuring);
    text += join(" steps in all. Unsatisfied are ", is.unsatisfied, " streams.\n");
    std::size_t failed = 0;
    for (const double indicator : is.indicators) failed += is_finite(indicator) ? 0 : 1;
    if (failed > 0) text += join(failed, " streams have losses that are not finite, and count as satisfied.\n");
    std::size_t grouped = 0;
    for (std::size_t k = 0; k < thresholds.size(); ++k) {
      const std::vector<std::size_t> none, &members = k < drawn.groups.size() ? drawn.groups[k] : none;
      grouped += members.size();
      text += join("Group ", k + 1, ", scores above ", thresholds[k], ": ");
      if (members.empty()) {
        text += "empty.\n";
        continue;
      }
      if (is.by_quantile[k]) text += "none; instead, by quantile, ";
      text += join(members.size(), members.size() == 1 ? " stream:" : " streams:");
      constexpr std::size_t most = 12;
      for (std::size_t i = 0; i < members.size() && i < most; ++i) {
        const std::size_t s = members[i];
        text += join(i > 0 ? "; " : " ", s < names.size() ? names[s] : join("stream ", s), " ", rounded(is.scores[s]));
      }
      text += members.size() > most ? join("; and ", members.size() - most, " more") : std::string();
      text += join(". Each is drawn with a chance of ", rounded(drawn.chances[members.front()]), ".\n");
    }
    text += join(streams - grouped, " streams are in no group but that of all.\n");
    for (std::size_t k = 0; k < thresholds.size(); ++k)
      if (is.by_quantile[k])
        return text +
               "Groups by quantile are not the paper's: its thresholds left them empty, and they have its shares.\n";
    return text;
  }

 private:
  // When (plus 1; 0 is not yet), how many are unsatisfied, fine-tunings; then whether by quantile, a group each; indicators
  // and scores, a stream each.
  static constexpr std::size_t head = 3;

  static double rounded(double number) { return std::round(1000 * number) / 1000; }

  // How many of the unsatisfied streams the paper's groups were: 14, 29, 84 and 200 of 1,600.
  static std::size_t quantile(std::size_t group, std::size_t streams) {
    static constexpr double shares[] = {14.0 / 1600, 29.0 / 1600, 84.0 / 1600, 200.0 / 1600};
    const double share = shares[std::min<std::size_t>(group, 3)] * static_cast<double>(streams);
    return static_cast<std::size_t>(std::max(std::floor(share + 0.5), 1.0));
  }

  [[gnu::cold, gnu::noinline]] void group(Drawing& now) const {
    const std::size_t streams = now.streams();
    const std::span<double> memory = now.memory();
    const std::span<double> by_quantile = memory.subspan(head, thresholds.size());
    const std::span<double> indicators = memory.subspan(head + thresholds.size(), streams);
    const std::span<double> scores = memory.subspan(head + thresholds.size() + streams, streams);
    std::fill(scores.begin(), scores.end(), std::numeric_limits<double>::quiet_NaN());

    std::vector<std::size_t> left = find_unsatisfied(now, indicators);
    const std::vector<std::size_t> all = left;
    const Judged joint = now.judge(all);
    std::vector<double> before(streams);
    for (std::size_t i = 0; i < all.size(); ++i) before[all[i]] = joint.mean(i);

    StreamGroups groups(thresholds.size());
    std::vector<std::size_t> tuned;
    std::size_t fine_tunes = 0;
    for (std::size_t k = 0; k < thresholds.size() && !left.empty(); ++k) {
      if (left != tuned) {
        const std::vector<double> chances = among(left, streams);
        const Judged judged =
            now.try_out(
                   {.chances = chances, .steps = group_steps, .run = streams + fine_tunes, .last = 1, .judged = left})
                .judged;
        for (std::size_t i = 0; i < left.size(); ++i) scores[left[i]] = judged.mean(i) - before[left[i]];
        tuned = left;
        ++fine_tunes;
      }
      // A number that is not finite is above nothing.
      const auto passes = [&](std::size_t s, double bound) { return is_finite(scores[s]) && scores[s] > bound; };
      for (const std::size_t s : left)
        if (passes(s, thresholds[k])) groups[k].push_back(s);
      if (groups[k].empty() && quantiles) {
        for (const std::size_t s : left)
          if (passes(s, 0)) groups[k].push_back(s);
        std::stable_sort(groups[k].begin(), groups[k].end(),
                         [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
        groups[k].resize(std::min(groups[k].size(), quantile(k, all.size())));
        std::sort(groups[k].begin(), groups[k].end());
        by_quantile[k] = groups[k].empty() ? 0 : 1;
      }
      std::erase_if(left, [&](std::size_t s) { return std::binary_search(groups[k].begin(), groups[k].end(), s); });
    }
    memory[0] = static_cast<double>(now.steps() + 1);
    memory[1] = static_cast<double>(all.size());
    memory[2] = static_cast<double>(fine_tunes);
    now.set_groups(groups);
  }

  // Streams whose loss falls most when they are trained on alone, in ascending order. A loss that is not finite does not fall.
  std::vector<std::size_t> find_unsatisfied(Drawing& now, std::span<double> indicators) const {
    const std::size_t streams = now.streams();
    for (std::size_t s = 0; s < streams; ++s) {
      const std::vector<double> chances = among({s}, streams);
      const Tried tried =
          now.try_out({.chances = chances, .steps = indicator_steps, .run = s, .last = indicator_last, .judged = {}});
      indicators[s] = tried.after - tried.before;
    }
    std::vector<std::size_t> order;
    for (std::size_t s = 0; s < streams; ++s)
      if (is_finite(indicators[s])) order.push_back(s);
    if (order.empty())
      fail("Tgsr: no stream's loss stays finite when it is trained on alone for ", indicator_steps, " steps");
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return indicators[a] < indicators[b]; });
    const double share = std::floor(unsatisfied * static_cast<double>(streams) + 0.5);
    order.resize(std::min(order.size(), static_cast<std::size_t>(std::max(share, 1.0))));
    std::sort(order.begin(), order.end());
    return order;
  }

  static std::vector<double> among(const std::vector<std::size_t>& some, std::size_t streams) {
    std::vector<double> chances(streams);
    for (const std::size_t s : some) chances[s] = 1;
    return chances;
  }
};

}  // namespace mtlx::grouping
