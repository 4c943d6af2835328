// SPDX-License-Identifier: MIT
// Groups of streams (degradations) that adapt: TGSR's question, which streams one network leaves unsatisfied and should see more
// often, with tests instead of decibels set by hand, at a tenth of its measuring, and asked anew while the network trains.
//
// A score is the mean of the numbers m that streams are judged by (metrics and loss), in the unit of the first of them (dB):
//   x_is = sum_m c_m value_ims (size_1 / size_m),   c_m ~ size_m / noise_m, of sum 1, i a stream, s a photo (cluster);
// size: how far training on a stream moves the number; noise: by how much two trainings on all streams differ in it (root mean
// squares over streams).
// 1. Indicator r_i: what a short training on stream i alone does to its score, as long as the budget allows. For `fine_tunes`
//    streams, spread over the ranks of r, the gain is measured: x after `fine_tune_steps` on the stream alone less x after as many
//    on all streams (the mean of `controls` runs). The others' is predicted by the rising curve f through these points: f(r_i),
//    its variance the mean square of what f misses when an inner point is left out, and that of r's error. A measured gain keeps
//    its own error: over photos, and that of weights. (Pulls of independent half-batches, r_i = g_a' P g_b / L_i, are the other
//    indicator: see the page below for why it is not the one.)
// 2. Unsatisfied: gain > delta by t-tests, Benjamini-Hochberg at `false_share`. Gains are shrunk, g_i ~ N(mu, tau^2) with tau by
//    DerSimonian and Laird, and cut into bands by exact one-dimensional k-means, as few as it takes for neighbours to be 2
//    standard errors apart.
// 3. Who with whom: spectral clusters of the cosines of the unsatisfied streams' gradients (random projections of them), as few
//    as it takes for each to be told from the others on half-batches that the clusters were not made of.
// 4. Every `every` steps all are judged. Groups have equal shares of 1 - `uniform` of the chances, all streams the rest, in which
//    p_i ~ 1 / loss_i^relative: a percent off each stream's loss is worth the same, as scores in dB have it. Within a group
//    p_i ~ exp(rho clamp(slope_i / its error, +-3)). A stream leaves its groups when the 95 % upper bound of its
//    slope is below `leave`, returns when its score falls below that at which it left; bands are cut anew by what is left of
//    each gain.
// 5. Guard. Where a stream's paired differences over photos to the joint network are below -`tolerated` (one-sided t-test, Holm
//    over streams), the network goes back to the weights of the last look without such a loss, that stream's chance is raised, to
//    that of joint training at first, then to twice as much and so on, and the groups' share halved. A stream that lost in the first
//    metric alone is only raised. What many streams lose together may be too little to be seen in any of them: where the mean
//    of those in no group is below the joint network's by more than a fifth of `tolerated` (one-sided t-test over photos), the network
//    goes back, and the groups have a quarter of their share; nothing, below a twentieth. That test takes no account of jitter: in
//    doubt the groups have less. After the last step of a fit it is looked once more.
//
// The method is this library's; docs/methods/adaptive_groups.md gives its reasons. The question: Zhang et al., "Real-World Image
// Super-Resolution as Multi-Task Learning", NeurIPS 2023. References: Benjamini and Hochberg, JRSS B 57, 1995; DerSimonian and
// Laird, Controlled Clinical Trials 7, 1986; Holm, Scandinavian Journal of Statistics 6, 1979.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/kind.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/sample_mean.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/significance.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/clustering.hpp>
#include <mtlx/grouping/drawing.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/grouping/statistics/bands.hpp>
#include <mtlx/grouping/statistics/isotonic.hpp>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>

namespace mtlx::grouping {

/// Grouping policy of a network whose streams are drawn: see the head of this file. Needs validation data with as many streams
/// as the training data, of two photos (clusters) or more.
struct AdaptiveGroups {
  static constexpr auto kind = Kind::grouping;
  static constexpr bool keeps_weights = true;
  static constexpr bool looks_last = true;

  /// What unsatisfied streams are grouped by.
  enum class By {
    bands,     ///< how much they have to gain
    clusters,  ///< where they would pull the network
    both,      ///< both alike
    none,      ///< one group
  };

  /// What says of a stream what it may gain.
  enum class Indicator {
    trial,  ///< what a short training on it alone does to its score
    pull,   ///< r = g_a' P g_b / L of independent half-batches: to compare with
  };

  std::size_t joint_steps = 0;  ///< on all streams alike before grouping; 0: the weights are given
  Indicator indicator = Indicator::trial;
  std::size_t fine_tunes = 10;        ///< streams whose gain is measured, at least 4
  std::size_t controls = 2;           ///< trainings on all streams alike to compare with, at least 2
  std::size_t fine_tune_steps = 250;  ///< of each of these
  std::size_t budget = 0;             ///< steps of measuring; 0: a tenth of TGSR's 100 N + 40,000 for N streams
  std::size_t samples = 16;           ///< of a pull, both halves together, at least 2; one pull is counted as one step
  double delta = 0.05;                ///< the gain that is worth being called one, in the first metric's unit (dB)
  double false_share = 0.1;           ///< of the streams that are called unsatisfied, expected at most, in (0, 1)
  By by = By::bands;
  std::size_t most = 4;      ///< bands, and clusters, at most
  std::size_t sketch = 256;  ///< dimensions of a gradient's projection
  std::size_t every = 250;   ///< steps from one look to the next
  double uniform = 0.2;      ///< the share of the chances that all streams have, in groups or not, above 0
  double relative = 1;       ///< in that share the chance of a stream is as 1 / loss^relative; 0: all alike
  double at_most = 4;        ///< times as often as in joint training a stream may be drawn for its group's sake
  double rho = 0.5;          ///< how sharply streams that gain are preferred within a group; 0: all alike
  double leave = 0.02;       ///< the gain in `every` steps that is worth going on for
  bool guard = true;
  double guard_alpha = 0.05;  ///< of the guard's test, at each look, in (0, 1)
  double tolerated = 0.05;    ///< a loss to the joint network that is not worth going back for

  void validate() const {
    if (samples < 2 || fine_tunes < 4 || controls < 2)
      fail("AdaptiveGroups: samples must be at least 2, fine_tunes 4 and controls 2, and are ", samples, ", ",
           fine_tunes, " and ", controls);
    if (fine_tune_steps == 0 || most == 0 || sketch == 0 || every == 0)
      fail("AdaptiveGroups: fine_tune_steps, most, sketch and every must be at least 1, and are ", fine_tune_steps,
           ", ", most, ", ", sketch, " and ", every);
    check_option("AdaptiveGroups::delta", delta);
    check_option("AdaptiveGroups::uniform", uniform, {.most = 1});
    check_option("AdaptiveGroups::relative", relative);
    check_option("AdaptiveGroups::at_most", at_most);
    check_option("AdaptiveGroups::rho", rho);
    check_option("AdaptiveGroups::leave", leave);
    check_option("AdaptiveGroups::tolerated", tolerated);
    check_option("AdaptiveGroups::false_share", false_share, {.most = 1, .most_too = false});
    check_option("AdaptiveGroups::guard_alpha", guard_alpha, {.most = 1, .most_too = false});
    if (!(uniform > 0 && false_share > 0 && guard_alpha > 0))
      fail("AdaptiveGroups: uniform, false_share and guard_alpha must be above 0");
  }

  std::vector<Group> plan(std::size_t tasks) const { return {{TaskSet::first(tasks), TaskSet::first(tasks)}}; }

  /// See `Found`, and for each stream its scores by photo: of the joint network, of the last look and of that before, and the
  /// joint network's first metric.
  std::size_t memory(std::size_t streams) const { return head + streams * (fields + 4 * slots); }

  void look(Drawing& now) const {
    Memory memory(now.memory());
    if (memory.at > 0)
      follow(now, memory);
    else if (now.last())
      now.look_again_at(now.steps());  // grouping is for steps to come
    else if (now.steps() < joint_steps)
      now.look_again_at(joint_steps);
    else
      begin(now, memory);
  }

  /// The most steps of measuring for so many streams: the budget, if that is enough for the fine-tunings and one step, or one
  /// pull, of each stream.
  std::size_t measuring_steps(std::size_t streams) const {
    return (fine_tunes + controls) * fine_tune_steps + streams * (indicator_steps(streams) + sketches());
  }

  /// What was measured, by name.
  struct Found {
    bool grouped = false;
    std::size_t at = 0;            ///< the step before which that was
    std::size_t measuring = 0;     ///< steps: those of trainings, and one for each pull
    std::size_t measured = 0;      ///< streams whose gain was measured
    double correlation = 0;        ///< of ranks: the indicator and the measured gains; NaN if they can't be told apart
    double missed = 0;             ///< root of the mean square of what the curve misses
    double jitter = 0;             ///< standard error of a score by where in their jitter weights are
    std::size_t unsatisfied = 0;   ///< streams at first
    std::size_t clusters = 0;      ///< of gradients; 0 if they were not looked for
    std::size_t looks = 0;         ///< after the first
    std::size_t went_back = 0;     ///< in all
    std::size_t went_for_all = 0;  ///< of these, because the streams in no group lost together
    double share = 0;              ///< of the groups in the chances, now
    std::vector<double> indicator{}, indicator_error{};  ///< each stream's; NaN where it can't be had
    std::vector<double> gain{}, gain_error{};            ///< as measured or predicted
    std::vector<double> shrunk{};
    std::vector<double> progress{};  ///< the score of the last look less that of the joint network
    std::vector<bool> was_measured{};
    std::vector<bool> left{};           ///< was unsatisfied and is in no group now
    std::vector<std::size_t> raised{};  ///< 1: has the chance of joint training at least, 2: twice that, ...
  };
  [[gnu::cold, gnu::noinline]] static Found found(const Drawn& drawn) {
    Found is;
    if (drawn.memory.size() < head || !(drawn.memory[0] > 0)) return is;
    std::vector<double> numbers = drawn.memory;
    const Memory memory(numbers);
    is.grouped = true;
    is.at = whole(memory.at) - 1;
    is.measuring = drawn.measuring + whole(memory.pulls);
    is.correlation = memory.correlation;
    is.missed = memory.missed;
    is.jitter = std::sqrt(memory.jitter_square());
    is.unsatisfied = whole(memory.unsatisfied);
    is.clusters = whole(memory.clusters);
    is.looks = whole(memory.looks);
    is.went_back = whole(memory.went_back);
    is.went_for_all = whole(memory.went_for_all);
    is.share = memory.focus;
    for (std::size_t s = 0; s < memory.streams; ++s) {
      is.indicator.push_back(memory.indicator[s]), is.indicator_error.push_back(memory.indicator_error[s]);
      is.gain.push_back(memory.gain[s]), is.gain_error.push_back(memory.gain_error[s]);
      is.shrunk.push_back(memory.shrunk[s]);
      is.progress.push_back(paired(memory.last(s), memory.base(s)).value);
      is.was_measured.push_back(memory.measured[s] > 0);
      is.measured += memory.measured[s] > 0 ? 1 : 0;
      is.left.push_back(memory.state[s] == has_left);
      is.raised.push_back(whole(memory.raised[s]));
    }
    return is;
  }

  /// In words: what the indicator is worth here, who is unsatisfied, the groups, what came since. `names` of the streams, or
  /// none.
  [[gnu::cold, gnu::noinline]] std::string text(const Drawn& drawn, std::span<const std::string> names) const {
    const Found is = found(drawn);
    if (!is.grouped)
      return join("AdaptiveGroups: no groups yet; they are looked for after ", joint_steps,
                  " steps on all streams alike.\n");
    const std::size_t streams = is.gain.size();
    std::string text = join("AdaptiveGroups: grouped after ", is.at, " steps, by ", is.measuring,
                            " steps of measuring. ", is.measured, " of ", streams, " streams were fine-tuned alone");
    if (is.measured < streams)
      text +=
          join("; of the others the gain is predicted, and off by ", rounded(is.missed), " where that could be seen");
    text += ". ";
    if (!is_nan(is.correlation))
      text += join("Rank correlation of the indicator with the measured gains: ", rounded(is.correlation), ". ");
    text += join("By where weights are in their jitter a score is off by ", rounded(is.jitter), ".\n",
                 "Unsatisfied were ", is.unsatisfied, " streams: gains above ", delta, ", of which ", 100 * false_share,
                 " % are expected to be none at most.\n");
    if (is.clusters > 0)
      text += join("Their gradients go ", is.clusters == 1 ? std::string("one way") : join(is.clusters, " ways"),
                   ", as far as that can be told.\n");
    std::size_t gone = 0;
    for (std::size_t s = 0; s < streams; ++s) gone += is.left[s] ? 1 : 0;
    for (std::size_t g = 0; g < drawn.groups.size(); ++g) {
      const auto& members = drawn.groups[g];
      text += join("Group ", g + 1, ", ", members.size(), members.size() == 1 ? " stream" : " streams",
                   ", a chance of ", rounded(sum_of(drawn.chances, members)), " together:");
      constexpr std::size_t listed = 12;
      for (std::size_t i = 0; i < members.size() && i < listed; ++i) {
        const std::size_t s = members[i];
        text += join(i > 0 ? "; " : " ", s < names.size() ? names[s] : join("stream ", s), " ", rounded(is.shrunk[s]));
      }
      text += members.size() > listed ? join("; and ", members.size() - listed, " more.\n") : std::string(".\n");
    }
    if (drawn.groups.empty() || !(is.share > 0))
      text += join("All streams are drawn ", relative > 0 ? "by their losses" : "alike",
                   " now, but for what the guard raised.\n");
    if (is.looks > 0)
      text += join("Since then ", is.looks, " looks: ", gone, " streams have left their groups; the guard went back ",
                   is.went_back, " times, ", is.went_for_all,
                   " of them because the streams in no group had lost together, and the groups' share is ",
                   rounded(is.share), ".\n");
    for (std::size_t s = 0; s < streams; ++s)
      if (is.raised[s] > 0)
        text += join(s < names.size() ? names[s] : join("Stream ", s), " lost against the joint network and is drawn ",
                     is.raised[s] == 1 ? "as often as there" : "more often than there", " at least.\n");
    return text;
  }

 private:
  static constexpr std::size_t slots = 16;  // for photos; more of them share slots
  static constexpr std::size_t judges = 8;  // numbers that a score is made of, at most
  static constexpr std::size_t head = 14 + judges;
  static constexpr std::size_t fields = 12;
  static constexpr std::size_t sketch_repeats = 4;

  // Pulls of a stream that clusters are made of.
  std::size_t sketches() const { return by == By::clusters || by == By::both ? sketch_repeats : 0; }
  // What the budget leaves each stream: steps of a trial, or pulls.
  std::size_t indicator_steps(std::size_t streams) const {
    const std::size_t all = budget > 0 ? budget : 10 * streams + 4000;
    const std::size_t rest = (fine_tunes + controls) * fine_tune_steps + streams * sketches();
    const std::size_t each = all > rest ? (all - rest) / std::max<std::size_t>(streams, 1) : 0;
    return std::clamp<std::size_t>(each, indicator == Indicator::pull ? 2 : 1, fine_tune_steps);
  }
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();
  static constexpr double satisfied = 0, in_group = 1, has_left = 2;  // a stream's state

  using Slots = std::span<double>;

  static std::size_t whole(double number) { return static_cast<std::size_t>(number); }
  static double rounded(double number) { return std::round(1000 * number) / 1000; }
  static double sum_of(std::span<const double> numbers, const std::vector<std::size_t>& some) {
    double sum = 0;
    for (const std::size_t s : some) sum += numbers[s];
    return sum;
  }

  // The rule's numbers by name: the head, a number for each stream in each field, then slots of each stream. `at` is the step
  // plus 1, 0 before it has grouped; `seen`: looks that `last` (1) and `before` (2) are of.
  struct Memory {
    std::span<double> all;
    std::size_t streams;
    double &at = all[0], &pulls = all[1], &correlation = all[2], &missed = all[3], &jitter_sum = all[4],
           &jitter_count = all[5], &seen = all[6], &focus = all[7], &unsatisfied = all[8], &clusters = all[9],
           &looks = all[10], &went_back = all[11], &judged_by = all[12], &went_for_all = all[13];
    std::span<double> scales = all.subspan(14, judges);
    std::span<double> indicator = field(0), indicator_error = field(1), gain = field(2), gain_error = field(3),
                      shrunk = field(4), shrunk_error = field(5), measured = field(6), cluster = field(7),
                      state = field(8), left_at = field(9), raised = field(10), loss = field(11);

    explicit Memory(std::span<double> numbers)
        : all(numbers), streams((numbers.size() - head) / (fields + 4 * slots)) {}

    Slots base(std::size_t s) const { return slots_of(0, s); }
    Slots last(std::size_t s) const { return slots_of(1, s); }
    Slots before(std::size_t s) const { return slots_of(2, s); }
    Slots first(std::size_t s) const { return slots_of(3, s); }  // the first metric alone, of the joint network
    double jitter_square() const { return jitter_count > 0 ? jitter_sum / jitter_count : 0; }

   private:
    std::span<double> field(std::size_t i) const { return all.subspan(head + i * streams, streams); }
    Slots slots_of(std::size_t table, std::size_t s) const {
      return all.subspan(head + fields * streams + (table * streams + s) * slots, slots);
    }
  };

  // The mean over photos of the difference of two scores of a stream, with its error.
  static SampleMean paired(std::span<const double> x, std::span<const double> y) {
    std::array<double, slots> differences;
    std::size_t count = 0;
    for (std::size_t c = 0; c < slots; ++c)
      if (is_finite(x[c]) && is_finite(y[c])) differences[count++] = x[c] - y[c];
    if (count == 0) return {.value = none, .error = none};
    return sample_mean(std::span(differences).first(count));
  }

  // Scores by photo : (streams judged, slots); NaN where one of the numbers is missing.
  static std::vector<double> scores(const Judged& judged, std::span<const double> scales) {
    std::vector<double> all(judged.streams.size() * slots, none);
    std::array<double, slots> counts;
    for (std::size_t i = 0; i < judged.streams.size(); ++i) {
      counts.fill(0);
      double* const to = all.data() + i * slots;
      for (std::size_t c = 0; c < judged.clusters; ++c) {
        double score = 0;
        for (std::size_t m = 0; m < judged.numbers; ++m)
          if (scales[m] > 0) score += scales[m] * judged.at(i, c, m);
        if (!is_finite(score)) continue;
        double& count = counts[c % slots];
        to[c % slots] = count == 0 ? score : to[c % slots] + (score - to[c % slots]) / (count + 1);
        count += 1;
      }
    }
    return all;
  }

  // Of the numbers of streams before and after: the root of the mean square of what they moved by.
  struct Moved {
    std::array<double, judges> squares{}, counts{};

    void add(const Judged& after, std::size_t i, const Judged& before, std::size_t j) {
      for (std::size_t m = 0; m < after.numbers; ++m) {
        const double change = after.mean(i, m) - before.mean(j, m);
        if (is_finite(change)) squares[m] += change * change, counts[m] += 1;
      }
    }
    double size(std::size_t m) const { return counts[m] > 0 ? std::sqrt(squares[m] / counts[m]) : 0; }
  };
  // What a number counts in a score: in units in which training on a stream moves each as much as the first, and the more the
  // surer it is, by what it is moved to what it differs by between two trainings on all.
  static void find_scales(const Moved& gains, const Moved& noise, std::size_t numbers, std::span<double> scales) {
    std::fill(scales.begin(), scales.end(), 0.0);
    double sum = 0;
    for (std::size_t m = 0; m < numbers; ++m) {
      const double size = gains.size(m), off = std::max(noise.size(m), 1e-3 * size);
      if (!(size > 0 && gains.size(0) > 0)) continue;
      scales[m] = gains.size(0) / off;  // (first / size) (size / off)
      sum += size / off;
    }
    if (!(sum > 0)) scales[0] = sum = 1;
    for (double& scale : scales) scale /= sum;
  }

  // ---- the first look

  [[gnu::cold, gnu::noinline]] void begin(Drawing& now, Memory& memory) const {
    const std::size_t streams = memory.streams;
    const Judged joint = now.judge();
    if (joint.numbers == 0 || joint.numbers > judges)
      fail("AdaptiveGroups: streams are judged by ", joint.numbers, " metrics and losses, expected 1 to ", judges);
    memory.judged_by = static_cast<double>(joint.numbers);
    memory.focus = 1 - uniform;
    note_losses(memory, joint);
    // What steps on all streams bring, and by how much two such trainings differ.
    std::vector<Judged> control;
    Moved noise, moved;
    for (std::size_t k = 0; k < controls; ++k) {
      control.push_back(trial(now, std::vector<double>(streams, 1), fine_tune_steps, streams + k, joint.streams));
      for (std::size_t s = 0; k > 0 && s < streams; ++s) noise.add(control[k], s, control[k - 1], s);
    }
    const std::vector<Judged> tried = find_indicators(now, memory);
    for (std::size_t s = 0; s < tried.size(); ++s) moved.add(tried[s], 0, joint, s);
    find_scales(moved, noise, joint.numbers, memory.scales);
    score_indicators(memory, tried, joint);
    const std::vector<std::size_t> chosen = calibration(memory);
    std::vector<Judged> alone;
    moved = {};
    for (const std::size_t s : chosen) {
      alone.push_back(trial(now, only(s, streams), fine_tune_steps, s, {s}));
      for (const Judged& all : control) moved.add(alone.back(), 0, all, s);
    }
    find_scales(moved, noise, joint.numbers, memory.scales);
    score_indicators(memory, tried, joint);

    std::vector<double> degrees(streams);
    measure_gains(memory, chosen, alone, control, degrees);
    predict_gains(memory, degrees);
    find_unsatisfied(memory, degrees);
    shrink(memory);
    if (sketches() > 0) find_clusters(now, memory);
    const std::vector<double> base = scores(joint, memory.scales), first = scores(joint, first_alone());
    for (std::size_t s = 0; s < streams; ++s) {
      std::copy_n(base.begin() + static_cast<std::ptrdiff_t>(s * slots), slots, memory.base(s).begin());
      std::copy_n(memory.base(s).begin(), slots, memory.last(s).begin());
      std::copy_n(first.begin() + static_cast<std::ptrdiff_t>(s * slots), slots, memory.first(s).begin());
    }
    memory.seen = 1;
    memory.at = static_cast<double>(now.steps() + 1);
    if (guard) now.keep();
    set_groups(now, memory);
    now.look_again_at(now.steps() + every);
  }
  static std::vector<double> only(std::size_t stream, std::size_t streams) {
    std::vector<double> chances(streams);
    chances[stream] = 1;
    return chances;
  }
  static Judged trial(Drawing& now, const std::vector<double>& chances, std::size_t steps, std::size_t run,
                      const std::vector<std::size_t>& judged) {
    return now.try_out({.chances = chances, .steps = steps, .run = run, .last = 1, .judged = judged}).judged;
  }

  // Each stream after a trial; or nothing, and the indicators by pulls.
  std::vector<Judged> find_indicators(Drawing& now, Memory& memory) const {
    const std::size_t streams = memory.streams, each = indicator_steps(streams);
    std::fill(memory.indicator.begin(), memory.indicator.end(), none);
    std::fill(memory.indicator_error.begin(), memory.indicator_error.end(), none);
    std::vector<Judged> tried;
    std::vector<double> drawn(each);
    for (std::size_t s = 0; s < streams; ++s) {
      if (indicator == Indicator::trial) {
        tried.push_back(trial(now, only(s, streams), each, 2 * streams + s, {s}));
        continue;
      }
      bool all = true;
      for (std::size_t k = 0; k < each; ++k) {
        const Pull pull = now.pull(s, samples, k);
        drawn[k] = pull.product / pull.loss;
        all = all && is_finite(drawn[k]);
      }
      memory.pulls += static_cast<double>(each);
      if (!all) continue;
      const SampleMean mean = sample_mean(drawn);
      memory.indicator[s] = mean.value, memory.indicator_error[s] = mean.error;
    }
    return tried;
  }
  static void score_indicators(Memory& memory, const std::vector<Judged>& tried, const Judged& joint) {
    if (tried.empty()) return;
    const std::vector<double> before = scores(joint, memory.scales);
    for (std::size_t s = 0; s < memory.streams; ++s) {
      const SampleMean rise = paired(scores(tried[s], memory.scales), std::span(before).subspan(s * slots, slots));
      memory.indicator[s] = rise.value, memory.indicator_error[s] = rise.error;
    }
  }

  // Streams at equal distances in the order of the indicator, from the first to the last: nobody lies outside of them.
  std::vector<std::size_t> calibration(const Memory& memory) const {
    std::vector<std::size_t> order, chosen;
    for (std::size_t s = 0; s < memory.streams; ++s)
      if (is_finite(memory.indicator[s])) order.push_back(s);
    if (order.empty()) fail("AdaptiveGroups: no stream has an indicator that is finite");
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return memory.indicator[a] < memory.indicator[b]; });
    const std::size_t count = std::min(fine_tunes, order.size());
    for (std::size_t k = 0; k < count; ++k)
      chosen.push_back(order[count == 1 ? 0 : (k * (order.size() - 1) + (count - 1) / 2) / (count - 1)]);
    return chosen;
  }

  // `alone[i]`: of chosen[i] after its fine-tuning; `control[k]`: of all streams.
  void measure_gains(Memory& memory, const std::vector<std::size_t>& chosen, const std::vector<Judged>& alone,
                     const std::vector<Judged>& controlled, std::span<double> degrees) const {
    std::fill(memory.gain.begin(), memory.gain.end(), none);
    std::fill(memory.gain_error.begin(), memory.gain_error.end(), none);
    std::vector<std::vector<double>> control;
    std::vector<double> mean(memory.streams * slots);
    for (const Judged& judged : controlled) {
      control.push_back(scores(judged, memory.scales));
      for (std::size_t cell = 0; cell < mean.size(); ++cell)
        mean[cell] += control.back()[cell] / static_cast<double>(controls);
    }
    const auto of = [](const std::vector<double>& all, std::size_t i) {
      return std::span(all).subspan(i * slots, slots);
    };
    std::vector<double> squares;
    for (std::size_t k = 0; k < controls; ++k)
      for (std::size_t i = 0; i < memory.streams; ++i) {
        const double off = paired(of(control[k], i), of(mean, i)).value;
        squares.push_back(off * off / (1 - 1 / static_cast<double>(controls)));
      }
    note_jitter(memory, squares);

    std::vector<double> indicators, gains;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const std::size_t s = chosen[i];
      const std::vector<double> own = scores(alone[i], memory.scales);
      const SampleMean gain = paired(own, of(mean, s));
      if (!is_finite(gain.value) || gain.count < 2) continue;
      memory.measured[s] = 1;
      memory.gain[s] = gain.value;
      memory.gain_error[s] =
          std::sqrt(gain.error * gain.error + memory.jitter_square() * (1 + 1 / static_cast<double>(controls)));
      degrees[s] = gain.degrees;
      indicators.push_back(memory.indicator[s]), gains.push_back(gain.value);
    }
    if (gains.empty())
      fail("AdaptiveGroups: no stream could be measured; it takes validation samples of two photos (clusters) or more");
    memory.correlation = rank_correlation(indicators, gains);
  }

  void predict_gains(Memory& memory, std::span<double> degrees) const {
    std::vector<std::size_t> points;
    for (std::size_t s = 0; s < memory.streams; ++s)
      if (memory.measured[s] > 0) points.push_back(s);
    std::stable_sort(points.begin(), points.end(),
                     [&](std::size_t a, std::size_t b) { return memory.indicator[a] < memory.indicator[b]; });
    const auto curve = [&](std::size_t without) {
      std::vector<double> x, y;
      for (std::size_t i = 0; i < points.size(); ++i)
        if (i != without) x.push_back(memory.indicator[points[i]]), y.push_back(memory.gain[points[i]]);
      return isotonic(x, y);
    };
    if (points.size() < 4) return;
    double squares = 0;
    const auto inner = static_cast<double>(points.size() - 2);
    for (std::size_t i = 1; i + 1 < points.size(); ++i) {
      const double off = memory.gain[points[i]] - curve(i).at(memory.indicator[points[i]]);
      squares += off * off / inner;
    }
    memory.missed = std::sqrt(squares);
    const Isotonic f = curve(points.size());
    for (std::size_t s = 0; s < memory.streams; ++s) {
      if (memory.measured[s] > 0 || !is_finite(memory.indicator[s])) continue;
      const double r = memory.indicator[s], off = memory.indicator_error[s];
      const double slope = (f.at(r + off) - f.at(r - off)) / 2;
      memory.gain[s] = f.at(r);
      memory.gain_error[s] = std::sqrt(squares + slope * slope);
      degrees[s] = inner;
    }
  }

  void find_unsatisfied(Memory& memory, std::span<const double> degrees) const {
    std::vector<double> p(memory.streams, 1);
    for (std::size_t s = 0; s < memory.streams; ++s) {
      if (!is_finite(memory.gain[s]) || !is_finite(memory.gain_error[s])) continue;
      // Where there is no noise at all there is no doubt.
      const double above = memory.gain[s] - delta, error = memory.gain_error[s];
      p[s] = error > 0 ? t_upper_tail(above / error, degrees[s]) : above > 0 ? 0 : 1;
    }
    const std::vector<double> adjusted = benjamini_hochberg(p);
    for (std::size_t s = 0; s < memory.streams; ++s) {
      memory.state[s] = adjusted[s] <= false_share ? in_group : satisfied;
      memory.unsatisfied += adjusted[s] <= false_share ? 1 : 0;
    }
  }

  // Towards the mean of all streams, as far as differences between them may be noise.
  static void shrink(Memory& memory) {
    double count = 0, sum = 0, squares = 0, mean = 0;
    const auto known = [&](std::size_t s) { return is_finite(memory.gain[s]) && memory.gain_error[s] > 0; };
    const auto variance = [&](std::size_t s) { return memory.gain_error[s] * memory.gain_error[s]; };
    for (std::size_t s = 0; s < memory.streams; ++s)
      if (known(s))
        count += 1, sum += 1 / variance(s), squares += 1 / (variance(s) * variance(s)),
            mean += memory.gain[s] / variance(s);
    if (count > 0) mean /= sum;
    double q = 0;
    for (std::size_t s = 0; s < memory.streams; ++s)
      if (known(s)) q += (memory.gain[s] - mean) * (memory.gain[s] - mean) / variance(s);
    const double between = count > 1 ? std::max(0.0, (q - (count - 1)) / (sum - squares / sum)) : 0;
    double weights = 0, weighted = 0;
    for (std::size_t s = 0; s < memory.streams; ++s)
      if (known(s)) weights += 1 / (variance(s) + between), weighted += memory.gain[s] / (variance(s) + between);
    for (std::size_t s = 0; s < memory.streams; ++s) {
      memory.shrunk[s] = memory.gain[s], memory.shrunk_error[s] = 1e-6;
      if (!known(s)) continue;
      const double keep = between / (between + variance(s));
      memory.shrunk[s] = keep * memory.gain[s] + (1 - keep) * weighted / weights;
      // Never 0: a band's error is told from it.
      memory.shrunk_error[s] = std::sqrt(std::max(keep, 1e-6) * variance(s));
    }
  }

  // Clusters of the directions in which unsatisfied streams pull.
  [[gnu::cold, gnu::noinline]] void find_clusters(Drawing& now, Memory& memory) const {
    std::vector<std::size_t> members;
    for (std::size_t s = 0; s < memory.streams; ++s)
      if (memory.state[s] == in_group) members.push_back(s);
    memory.clusters = members.empty() ? 0 : 1;
    if (members.size() < 4) return;
    // Two independent halves of the pulls: clusters are made by the first, and told apart by the second. The size of what
    // they have in common is the mean gradient's, without noise.
    const auto n = static_cast<Eigen::Index>(members.size()), dimensions = static_cast<Eigen::Index>(sketch);
    std::array<Eigen::MatrixXd, 2> halves{Eigen::MatrixXd::Zero(dimensions, n), Eigen::MatrixXd::Zero(dimensions, n)};
    std::vector<double> drawn(sketch);
    for (Eigen::Index i = 0; i < n; ++i)
      for (std::size_t k = 0; k < sketch_repeats; ++k) {
        now.pull(members[static_cast<std::size_t>(i)], samples, indicator_steps(memory.streams) + k, drawn);
        halves[k % 2].col(i) += Eigen::Map<const Eigen::VectorXd>(drawn.data(), dimensions);
        memory.pulls += 1;
      }
    Eigen::VectorXd scale(n);
    for (Eigen::Index i = 0; i < n; ++i) {
      const double square = halves[0].col(i).dot(halves[1].col(i));
      scale(i) = is_finite(square) && square > 0 ? 1 / std::sqrt(square) : 0;
    }
    const auto cosines = [&](std::size_t half) {
      Eigen::MatrixXd table(n, n);
      for (Eigen::Index i = 0; i < n; ++i)
        for (Eigen::Index j = 0; j < n; ++j) {
          const double cosine =
              scale(i) > 0 && scale(j) > 0 ? scale(i) * scale(j) * halves[half].col(i).dot(halves[half].col(j)) : 0;
          table(i, j) = is_finite(cosine) ? std::clamp(cosine, -1.0, 1.0) : 0;
        }
      return table;
    };
    const Eigen::MatrixXd form = cosines(0), test = cosines(1);
    for (std::size_t count = std::min(most, members.size() / 2); count > 1; --count) {
      const std::vector<std::size_t> labels = spectral_groups(form, count, {.seed = now.random().bits()});
      if (!clusters_apart(test, labels, count)) continue;
      for (std::size_t i = 0; i < members.size(); ++i) memory.cluster[members[i]] = static_cast<double>(labels[i]);
      memory.clusters = static_cast<double>(count);
      return;
    }
  }
  // Whether, for each two clusters, a stream's cosines are higher within its own than with the other, by 2 standard errors over
  // streams.
  static bool clusters_apart(const Eigen::MatrixXd& cosines, const std::vector<std::size_t>& labels,
                             std::size_t count) {
    for (std::size_t a = 0; a < count; ++a)
      for (std::size_t b = 0; b < a; ++b) {
        std::vector<double> contrasts;
        for (std::size_t i = 0; i < labels.size(); ++i) {
          if (labels[i] != a && labels[i] != b) continue;
          double within = 0, mates = 0, between = 0, others = 0;
          for (std::size_t j = 0; j < labels.size(); ++j) {
            if (j == i || (labels[j] != a && labels[j] != b)) continue;
            const double cosine = cosines(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
            (labels[j] == labels[i] ? within : between) += cosine;
            (labels[j] == labels[i] ? mates : others) += 1;
          }
          if (mates > 0 && others > 0) contrasts.push_back(within / mates - between / others);
        }
        if (contrasts.size() < 3) return false;
        const SampleMean mean = sample_mean(contrasts);
        if (!(mean.value > 2 * mean.error)) return false;
      }
    return true;
  }

  // ---- the looks after it

  [[gnu::cold, gnu::noinline]] void follow(Drawing& now, Memory& memory) const {
    const Judged judged = now.judge();
    if (static_cast<double>(judged.numbers) != memory.judged_by)
      fail("AdaptiveGroups: streams were judged by ", memory.judged_by, " metrics and losses, and now by ",
           judged.numbers);
    const std::vector<double> present = scores(judged, memory.scales);
    const auto now_of = [&](std::size_t s) { return std::span<const double>(present).subspan(s * slots, slots); };
    memory.looks += 1;
    note_losses(memory, judged);
    // Scores about a straight line over three looks: noise of variance v has second differences of 6 v.
    std::vector<double> squares;
    for (std::size_t s = 0; memory.seen > 1 && s < memory.streams; ++s) {
      const double bend = paired(now_of(s), memory.last(s)).value - paired(memory.last(s), memory.before(s)).value;
      squares.push_back(bend * bend / 6);
    }
    note_jitter(memory, squares);
    now.look_again_at(now.steps() + every);
    if (guard) raise(memory, judged);
    if (guard && guards(now, memory, present)) return;
    const double looks = memory.seen > 1 ? 2 : 1;
    std::vector<double> t(memory.streams);
    for (std::size_t s = 0; s < memory.streams; ++s) {
      const SampleMean rise = paired(now_of(s), looks > 1 ? memory.before(s) : memory.last(s));
      const double slope = rise.value / looks;
      const double error = std::sqrt(rise.error * rise.error + 2 * memory.jitter_square()) / looks;
      if (!is_finite(slope) || !is_finite(error)) continue;
      t[s] = error > 0 ? slope / error : slope > 0 ? 3 : slope < 0 ? -3 : 0;
      const double at = mean_of(now_of(s));
      if (memory.state[s] == in_group && rise.degrees > 0 && slope + t_critical(0.05, rise.degrees) * error < leave)
        memory.state[s] = has_left, memory.left_at[s] = at;
      else if (memory.state[s] == has_left &&
               memory.left_at[s] - at > 1.645 * std::sqrt(2 * memory.jitter_square()) + leave)
        memory.state[s] = in_group;
    }
    for (std::size_t s = 0; s < memory.streams; ++s) {
      std::copy_n(memory.last(s).begin(), slots, memory.before(s).begin());
      std::copy_n(now_of(s).begin(), slots, memory.last(s).begin());
    }
    memory.seen = 2;
    set_groups(now, memory, t);
  }
  // By the median over streams: some really gain in a curve. Older looks count less and less.
  static void note_jitter(Memory& memory, std::vector<double> squares) {
    std::erase_if(squares, [](double square) { return !is_finite(square); });
    if (squares.empty()) return;
    const auto middle = squares.begin() + static_cast<std::ptrdiff_t>(squares.size() / 2);
    std::nth_element(squares.begin(), middle, squares.end());
    constexpr double keep = 0.7, median_of_chi_squared = 0.4549;
    memory.jitter_sum = keep * memory.jitter_sum + *middle / median_of_chi_squared;
    memory.jitter_count = keep * memory.jitter_count + 1;
  }
  static double mean_of(std::span<const double> scores) {
    const std::array<double, slots> zero{};
    return paired(scores, zero).value;
  }

  // Streams that lost in the first metric alone, which a score may not see: they are drawn as often as in joint training again,
  // at the next look twice as often, and no more than four times. This takes no account of jitter, and does not go back.
  void raise(Memory& memory, const Judged& judged) const {
    const std::vector<double> first = scores(judged, first_alone());
    std::vector<double> p(memory.streams, 1);
    for (std::size_t s = 0; s < memory.streams; ++s) {
      const SampleMean to_joint = paired(std::span(first).subspan(s * slots, slots), memory.first(s));
      if (to_joint.count < 2 || !is_finite(to_joint.error) || !(to_joint.error > 0)) continue;
      p[s] = t_upper_tail((-to_joint.value - tolerated) / to_joint.error, to_joint.degrees);
    }
    const std::vector<double> adjusted = holm(p);
    for (std::size_t s = 0; s < memory.streams; ++s)
      if (adjusted[s] <= guard_alpha && memory.raised[s] < 3) memory.raised[s] += 1;
  }
  static std::array<double, judges> first_alone() { return {1}; }

  // Whether a stream has lost against the joint network; then what was kept is there again.
  bool guards(Drawing& now, Memory& memory, const std::vector<double>& present) const {
    std::vector<double> p(memory.streams, 1);
    for (std::size_t s = 0; s < memory.streams; ++s) {
      const SampleMean to_joint = paired(std::span(present).subspan(s * slots, slots), memory.base(s));
      const double error = std::sqrt(to_joint.error * to_joint.error + memory.jitter_square());
      if (to_joint.count < 2 || !is_finite(error) || !(error > 0)) continue;
      p[s] = t_upper_tail((-to_joint.value - tolerated) / error, to_joint.degrees);
    }
    const std::vector<double> adjusted = holm(p);
    bool lost = false;
    for (std::size_t s = 0; s < memory.streams; ++s) {
      if (adjusted[s] > guard_alpha) continue;
      lost = true;
      memory.raised[s] += 1;
    }
    const bool together = lost_together(memory, present);
    if (!lost && !together) {
      now.keep();
      return false;
    }
    now.go_back();
    memory.went_back += 1;
    memory.went_for_all += together ? 1 : 0;
    memory.focus /= together ? 4 : 2;
    if (memory.focus < 0.05) memory.focus = 0;
    memory.seen = 1;  // `last` is of what was kept
    set_groups(now, memory);
    return true;
  }

  // Whether the streams in no group have lost in the mean, while groups have a share.
  bool lost_together(const Memory& memory, const std::vector<double>& present) const {
    if (!(memory.focus > 0)) return false;
    std::array<double, slots> sums{}, counts{};
    for (std::size_t s = 0; s < memory.streams; ++s)
      for (std::size_t c = 0; memory.state[s] != in_group && c < slots; ++c)
        if (const double change = present[s * slots + c] - memory.base(s)[c]; is_finite(change))
          sums[c] += change, counts[c] += 1;
    std::vector<double> photos;
    for (std::size_t c = 0; c < slots; ++c)
      if (counts[c] > 0) photos.push_back(sums[c] / counts[c]);
    if (photos.size() < 2) return false;
    const SampleMean mean = sample_mean(photos);
    return mean.error > 0 && t_upper_tail((-mean.value - tolerated / 5) / mean.error, mean.degrees) <= guard_alpha;
  }

  static void note_losses(Memory& memory, const Judged& judged) {
    for (std::size_t s = 0; s < memory.streams; ++s) memory.loss[s] = -judged.mean(s, judged.numbers - 1);
  }
  // What a stream has of the share of all: as 1 / loss^relative, a loss of 0 counted as a hundredth of the mean one.
  std::vector<double> weights_of_all(const Memory& memory) const {
    const auto usable = [&](double loss) { return is_finite(loss) && loss >= 0; };
    double mean = 0, count = 0, sum = 0;
    for (const double loss : memory.loss)
      if (usable(loss)) mean += loss, count += 1;
    mean = count > 0 ? mean / count : 0;
    std::vector<double> weights(memory.streams, 1.0);
    for (std::size_t s = 0; s < memory.streams; ++s) {
      // One that can't be known, or may be below 0, is as the mean.
      const double loss = usable(memory.loss[s]) ? std::max(memory.loss[s], mean / 100) : mean;
      if (mean > 0) weights[s] = std::pow(mean / loss, relative);
      sum += weights[s];
    }
    for (double& weight : weights) weight /= sum;
    return weights;
  }

  // Groups of streams that are in one, and everybody's chances. `t`: slopes in their errors, or none.
  [[gnu::cold, gnu::noinline]] void set_groups(Drawing& now, Memory& memory, std::span<const double> t = {}) const {
    std::vector<std::size_t> members;
    std::vector<double> rest, error;
    double others = 0, counted = 0;  // what the streams that are in no group have gained since
    for (std::size_t s = 0; s < memory.streams; ++s) {
      if (memory.state[s] != satisfied) continue;
      if (const double gained = paired(memory.last(s), memory.base(s)).value; is_finite(gained))
        others += gained, counted += 1;
    }
    if (counted > 0) others /= counted;
    for (std::size_t s = 0; s < memory.streams; ++s) {
      if (memory.state[s] != in_group) continue;
      const double gained = paired(memory.last(s), memory.base(s)).value;
      members.push_back(s);
      rest.push_back(memory.shrunk[s] - (is_finite(gained) ? gained - others : 0));
      error.push_back(
          std::sqrt(memory.shrunk_error[s] * memory.shrunk_error[s] + (memory.looks > 0 ? memory.jitter_square() : 0)));
    }
    Bands cut{.labels = std::vector<std::size_t>(members.size())};
    if (by == By::bands || by == By::both) cut = bands_apart(rest, error, most);
    // Group 1 is the highest band's.
    std::vector<std::pair<std::size_t, std::size_t>> keys;
    for (std::size_t i = 0; i < members.size(); ++i)
      keys.emplace_back(most - cut.labels[i],
                        by == By::clusters || by == By::both ? whole(memory.cluster[members[i]]) : 0);
    auto different = keys;
    std::sort(different.begin(), different.end());
    different.erase(std::unique(different.begin(), different.end()), different.end());
    StreamGroups groups(different.size());
    for (std::size_t i = 0; i < members.size(); ++i)
      groups[static_cast<std::size_t>(std::lower_bound(different.begin(), different.end(), keys[i]) -
                                      different.begin())]
          .push_back(members[i]);
    now.set_groups(groups, false);

    const auto n = static_cast<double>(memory.streams);
    const std::span<double> chances = now.chances();
    std::fill(chances.begin(), chances.end(), 0.0);
    double share = 0;
    for (const auto& group : groups) {
      double sum = 0;
      const auto weight = [&](std::size_t s) { return t.empty() ? 1 : std::exp(rho * std::clamp(t[s], -3.0, 3.0)); };
      for (const std::size_t s : group) sum += weight(s);
      for (const std::size_t s : group) {
        chances[s] = std::min(memory.focus / static_cast<double>(groups.size()) * weight(s) / sum, at_most / n);
        share += chances[s];
      }
    }
    // What groups may not have goes to all.
    const std::vector<double> all = weights_of_all(memory);
    for (std::size_t s = 0; s < memory.streams; ++s) chances[s] += (1 - share) * all[s];
    double sum = 0;
    for (std::size_t s = 0; s < memory.streams; ++s) {
      if (memory.raised[s] > 0) chances[s] = std::max(chances[s], std::exp2(std::min(memory.raised[s], 4.0) - 1) / n);
      sum += chances[s];
    }
    for (double& chance : chances) chance /= sum;
  }

  // Spearman's: equal numbers have the mean of their ranks. NaN if all of one are equal.
  [[gnu::cold, gnu::noinline]] static double rank_correlation(std::span<const double> x, std::span<const double> y) {
    const auto rank = [](std::span<const double> z, std::size_t i) {
      double below = 0;
      for (const double other : z) below += other < z[i] ? 1 : other > z[i] ? 0 : 0.5;
      return below - static_cast<double>(z.size()) / 2;
    };
    double xy = 0, xx = 0, yy = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double a = rank(x, i), b = rank(y, i);
      xy += a * b, xx += a * a, yy += b * b;
    }
    return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : none;
  }
};

}  // namespace mtlx::grouping
