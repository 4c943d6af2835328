// SPDX-License-Identifier: MIT
// Masks that are found during one joint training, and move while they learn. With g_t task t's gradient at its own masked
// weights, for all weights of the trunk (live for t or not), averaged over the last steps in which the rule looked:
//   a = mean of g_t      v = variance of g_t      h = n v, n samples a step: an estimate of the second derivative
//   e = v / looks that the average reaches back: how much of a² is noise
//   cost of dropping w for t     D = h w² / 2
//   gain of growing w for t      G = [a² - e]_+ / (2 (h + H))   if no task has it: it enters at 0, H = mean h of t's weights
//                                G = -a w - h w² / 2            if others have it: it enters at their value
//   density at time s            d + (1 - d) (1 - (s - s_0) / (s_1 - s_0))³ from warm_up s_0 to prune_until s_1
// Every so often, for each task: drop the cheapest down to the density; or grow up to it; then swap the r-th cheapest with the
// r-th best as long as G > D. Un-sharing, by output unit u and not by weight: if
//   U = 1/2 sum_t [|a_t|² - |e_t|]_+ / (mean h_t + H_t)   over u's weights that t shares, of the tasks that share u,
// exceeds the smallest D_t(u), that task gives all of u up, and may grow elsewhere. That gradients disagree says nothing: where
// the summed loss is stationary they cancel, so that with two tasks every shared weight disagrees.
// Reference: none for the whole; the cost is that of LeCun, Denker and Solla, "Optimal Brain Damage", NeurIPS 1989, with
// the squared gradients for the curvature; drop and grow as in Evci et al., "Rigging the Lottery", ICML 2020; the
// density's cubic as in Zhu and Gupta, "To prune, or not to prune", 2017.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/sharing/mask_selection.hpp>
#include <mtlx/sharing/random_masks.hpp>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::sharing {

/// Mask rule: each task's mask is found while all are trained, in one run. Times are fractions of the fit's epochs. In a
/// second `fit` masks keep their density. No unit loses its last live input to a task but by un-sharing, so that a density
/// near one weight a unit is not reached.
struct DynamicSparse {
  static constexpr std::size_t memory = 2;  // mean and mean square of g_t

  /// What masks begin as: full until `warm_up`, then sparser and sparser, so that what is shared at first stays so unless
  /// it is given up; or as `RandomMasks` draws them, with the density of the end: tasks begin apart, and may meet.
  enum class Start { dense, random };
  /// What says which weights a task can spare: D and G above; or |w|, and |a| for where it grows, as many as `swap` says.
  enum class Score { saliency, magnitude };

  double density = 0.3;        ///< of the trunk's weights that each task keeps, in (0, 1]
  double warm_up = 0.1;        ///< until then masks stay as they began
  double prune_until = 0.6;    ///< when the density is reached
  double freeze_after = 0.75;  ///< from then on masks stay
  std::size_t changes = 40;    ///< of the masks at most, between warm_up and freeze_after
  std::size_t looks = 8;       ///< at least, between two changes
  std::size_t every = 4;       ///< looks at about one step in so many; 1: at each
  double decay = 0.9;          ///< of the averages, a look
  double swap = 0.3;           ///< of a task's weights a change swaps at most; falls to 0 at freeze_after by a cosine
  Start start = Start::random;
  Score score = Score::saliency;
  bool regrow = true;   ///< false: what a task dropped stays dropped
  bool unshare = true;  ///< false: no unit is given up
  bool common = false;  ///< one mask for all tasks, by the sum of their gradients

  struct State {
    std::array<std::uint32_t, TaskSet::capacity> looks{};
    std::array<double, TaskSet::capacity> labels{};  ///< a step, mean over the looks
    std::uint64_t change = 0;                        ///< number of the last one
    double changed = -1;                             ///< when, in fractions of the fit
    std::uint64_t since = 0;                         ///< looks after it
  };

  [[gnu::cold]] void validate() const {
    check_option("DynamicSparse: density", density, {.least = 1e-6, .most = 1});
    check_option("DynamicSparse: warm_up", warm_up, {.most = 1});
    check_option("DynamicSparse: prune_until", prune_until, {.least = warm_up, .most = 1});
    check_option("DynamicSparse: freeze_after", freeze_after, {.least = prune_until, .most = 1});
    check_option("DynamicSparse: changes", static_cast<double>(changes), {.least = 1, .most = 1e6});
    check_option("DynamicSparse: looks", static_cast<double>(looks), {.least = 1, .most = 1e6});
    check_option("DynamicSparse: every", static_cast<double>(every), {.least = 1, .most = 1e6});
    check_option("DynamicSparse: decay", decay, {.most = 1, .most_too = false});
    check_option("DynamicSparse: swap", swap, {.most = 1});
  }

  /// The density that masks have at that time, in fractions of the fit.
  double density_at(double progress) const {
    if (progress < warm_up) return 1;
    if (progress >= prune_until) return density;
    const double left = 1 - (progress - warm_up) / (prune_until - warm_up);
    return density + (1 - density) * left * left * left;
  }

  /// Steps go by the golden ratio: as evenly as can be, and so too among the steps of each task where tasks take turns.
  bool wants(const Time& time, std::size_t step) const {
    const double progress = progress_of(time);
    // Of a fit with few steps, those that the schedule can't do without.
    const double a_step = step > 0 ? progress / static_cast<double>(step) : 1;
    if (progress >= prune_until && progress - 1.5 * a_step < prune_until) return true;
    if (progress < warm_up / 2 || progress >= freeze_after) return false;
    if (a_step * static_cast<double>(every * changes) > freeze_after - warm_up) return true;
    return static_cast<std::uint32_t>(step * 0x9E3779B9U) <= std::numeric_limits<std::uint32_t>::max() / every;
  }

  template <class S>
  [[gnu::cold]] void begin(const MaskStep<S>& step) const {
    if (start == Start::random) RandomMasks{density, common}.begin(step);
  }

  template <class S>
  void step(const MaskStep<S>& step, State& state) const {
    for (std::size_t t = 0; t < step.tasks; ++t)
      if (step.present.has(t)) look(step, t, state);
    const double progress = progress_of(step.time);
    const double part = (progress - warm_up) / std::max(freeze_after - warm_up, 1e-9);
    if (part < 0) return;
    // Whatever happens, the last density is reached.
    const bool must = progress >= prune_until && state.changed < prune_until;
    const auto due = static_cast<std::uint64_t>(std::min(part, 1.0) * static_cast<double>(changes)) + 1;
    ++state.since;
    if (!must && (due == state.change || state.since < looks)) return;
    state.change = due;
    state.changed = progress;
    state.since = 0;
    change(step, state, progress);
  }

 private:
  // What one mask is decided on, for a task or, for a common mask, all of them: a, h and e of the formulas above.
  template <class S>
  struct View {
    TaskSet tasks;
    std::vector<S> gradient{}, curvature{}, noise{};
    detail::Places live{};      // the weights it has
    double mean_curvature = 0;  // of those
    bool known = true;          // after two looks; before, weights count by their size
  };

  static double progress_of(const Time& time) { return time.epochs > 0 ? time.epoch / time.epochs : 0; }

  // Running means at first, exponential ones later.
  template <class S>
  void look(const MaskStep<S>& step, std::size_t t, State& state) const {
    const double looked = ++state.looks[t];
    const double share = std::max(1 - decay, 1 / looked);
    state.labels[t] += share * (step.labels[t] - state.labels[t]);
    const auto fresh = static_cast<S>(share);
    const S* const gradient = step.gradients[t];
    S* const mean = step.remembered(t, 0, memory).data();
    S* const square = step.remembered(t, 1, memory).data();
    const std::size_t count = step.parameters.size();
    for (std::size_t i = 0; i < count; ++i) {
      const S g = gradient[i];
      mean[i] += fresh * (g - mean[i]);
      square[i] += fresh * (g * g - square[i]);
    }
  }

  template <class S>
  [[gnu::noinline]] void view(const MaskStep<S>& step, const State& state, TaskSet tasks, const detail::Places& places,
                              View<S>& view) const {
    const std::size_t size = step.parameters.size();
    view = {tasks, std::move(view.gradient), std::move(view.curvature), std::move(view.noise), std::move(view.live)};
    for (auto* numbers : {&view.gradient, &view.curvature, &view.noise}) numbers->resize(size);
    bool first = true;
    for (std::size_t t = 0; t < step.tasks; ++t) {
      if (!tasks.has(t)) continue;
      const double looked = state.looks[t];
      const double reach = std::max(std::min(looked, (1 + decay) / (1 - decay)), 2.0);
      const auto unbiased = static_cast<S>(reach / (reach - 1)), labels = static_cast<S>(state.labels[t]);
      const auto share = static_cast<S>(1 / reach);
      view.known = view.known && looked >= 2;
      const S* const mean = step.remembered(t, 0, memory).data();
      const S* const square = step.remembered(t, 1, memory).data();
      S* const gradient = view.gradient.data();
      S* const curvature = view.curvature.data();
      S* const noise = view.noise.data();
      for (std::size_t i = 0; i < size; ++i) {
        const S variance = maximum(square[i] - mean[i] * mean[i], S(0)) * unbiased;
        gradient[i] = mean[i] + (first ? S(0) : gradient[i]);
        curvature[i] = labels * variance + (first ? S(0) : curvature[i]);
        noise[i] = share * variance + (first ? S(0) : noise[i]);
      }
      first = false;
    }
    detail::filter(places, view.live, [&](std::size_t i) { return step.owners[i].meets(tasks); });
    for (const std::size_t i : view.live) view.mean_curvature += static_cast<double>(view.curvature[i]);
    view.mean_curvature /= static_cast<double>(std::max<std::size_t>(view.live.size(), 1));
  }

  template <class S>
  [[gnu::noinline]] void change(const MaskStep<S>& step, const State& state, double progress) const {
    const detail::Places places = detail::prunable(step.blocks);
    std::vector<TaskSet> sets;
    for (std::size_t t = 0; t < step.tasks && sets.size() < (common ? 1 : step.tasks); ++t)
      if (step.labelled.has(t)) sets.push_back(common ? step.labelled : TaskSet::only(t));
    const std::vector<TaskSet> before(step.owners.begin(), step.owners.end());
    std::vector<std::size_t> unit_of(step.parameters.size());
    const std::size_t units = number_units(step.blocks, unit_of);
    View<S> seen;
    if (unshare && !common) give_up(step, state, sets, places, unit_of, units, seen);
    const double turn = (progress - warm_up) / std::max(freeze_after - warm_up, 1e-9);
    const double most = progress < freeze_after ? swap / 2 * (1 + std::cos(std::numbers::pi * turn)) : 0;
    std::vector<double> scores(step.parameters.size());
    for (const TaskSet set : sets) {
      std::size_t count = 0;
      for (const std::size_t i : places) count += before[i].meets(set) ? 1 : 0;
      view(step, state, set, places, seen);
      move(step, seen, places, before, unit_of, units,
           std::min(count, detail::share_of(density_at(progress), places.size())), most, scores);
    }
    detail::clear_dead(step);
  }

  // The unit that each weight leads to, counted over all blocks.
  static std::size_t number_units(std::span<const MaskBlock> blocks, std::span<std::size_t> unit_of) {
    std::size_t first = 0;
    for (const MaskBlock& block : blocks) {
      if (!block.prunable()) continue;
      const auto axis = static_cast<std::size_t>(block.parameter.neurons_at);
      std::size_t after = 1;
      for (std::size_t i = axis + 1; i < block.parameter.rank(); ++i)
        after *= static_cast<std::size_t>(block.parameter.shape[i]);
      const auto units = static_cast<std::size_t>(block.parameter.shape[axis]);
      const std::span<std::size_t> of = unit_of.subspan(block.offset, block.parameter.size());
      for (std::size_t i = 0, unit = 0; i < of.size(); i += after, unit = unit + 1 < units ? unit + 1 : 0)
        std::fill_n(of.begin() + static_cast<std::ptrdiff_t>(i), after, first + unit);
      first += units;
    }
    return first;
  }

  // One mask: to its density, then swaps.
  template <class S>
  void move(const MaskStep<S>& step, View<S>& view, const detail::Places& places, const std::vector<TaskSet>& before,
            std::span<const std::size_t> unit_of, std::size_t units, std::size_t wanted, double most,
            std::vector<double>& scores) const {
    rate(step, view, before, scores);
    const TaskSet task = view.tasks;
    detail::Places& live = view.live;
    constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> kept(units, none);  // of each unit the input that stays whatever happens: the dearest
    for (const std::size_t i : live) {
      std::size_t& best = kept[unit_of[i]];
      if (best == none || scores[i] < scores[best]) best = i;
    }
    std::size_t count = live.size();
    std::erase_if(live, [&](std::size_t i) { return kept[unit_of[i]] == i; });
    const TaskSet others = detail::others_than(task);
    const auto give = [&](std::size_t i, bool owned) {
      step.owners[i] = owned ? step.owners[i] | task : step.owners[i] & others;
    };

    std::vector<detail::Scored> out = detail::scored(live, scores);
    const std::size_t drops = std::min(count > wanted ? count - wanted : 0, out.size());
    if (drops > 0) detail::highest_first(out, drops);  // the highest score is the lowest cost
    for (std::size_t r = 0; r < drops; ++r) give(out[r].place, false);
    count -= drops;
    if (!regrow || !view.known) return;

    detail::Places free;
    detail::filter(places, free, [&](std::size_t i) { return scores[i] > 0; });  // no cost is negative
    std::vector<detail::Scored> in = detail::scored(free, scores);
    const std::size_t grows = std::min(count < wanted ? wanted - count : 0, in.size());
    if (grows > 0) detail::highest_first(in, grows);
    for (std::size_t r = 0; r < grows; ++r) give(in[r].place, true);

    const auto swaps = static_cast<std::size_t>(most * static_cast<double>(wanted));
    const std::size_t pairs = best_swaps(std::span(out).subspan(drops), std::span(in).subspan(grows), swaps);
    for (std::size_t r = 0; r < pairs; ++r) {
      give(out[drops + r].place, false);
      give(in[grows + r].place, true);
    }
  }

  // Moves the pairs that are swapped to the front of both, and says how many: halves what is left instead of ordering it.
  std::size_t best_swaps(std::span<detail::Scored> out, std::span<detail::Scored> in, std::size_t most) const {
    std::size_t low = 0, high = std::min({most, out.size(), in.size()});
    detail::highest_first(out, high);
    detail::highest_first(in, high);
    if (score == Score::magnitude) return high;
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      detail::highest_first(out.subspan(low, high - low), middle - low);
      detail::highest_first(in.subspan(low, high - low), middle - low);
      if (in[middle].score > -out[middle].score)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  // Of what the mask has the cost, negative, and of the rest the gain. All of it in one pass without branches.
  template <class S>
  void rate(const MaskStep<S>& step, const View<S>& view, const std::vector<TaskSet>& before,
            std::vector<double>& scores) const {
    const bool gain_by_size = score == Score::magnitude, cost_by_size = gain_by_size || !view.known;
    const TaskSet task = view.tasks;
    const double mean_curvature = view.mean_curvature;
    const S* const parameters = step.parameters.data();
    const S* const gradient = view.gradient.data();
    const S* const curvature = view.curvature.data();
    const S* const noise = view.noise.data();
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto w = static_cast<double>(parameters[i]), a = static_cast<double>(gradient[i]);
      const auto h = static_cast<double>(curvature[i]), e = static_cast<double>(noise[i]);
      const double slope = a * a - e, bend = 2 * (h + mean_curvature), ratio = slope / bend;
      const double cost = cost_by_size ? std::fabs(w) : h * w * w / 2;
      const double rising = slope > 0 ? ratio : 0, dead = bend > 0 ? rising : 0;
      const double others = -a * w - h * w * w / 2;
      const double gain = gain_by_size ? std::fabs(a) : before[i].empty() ? dead : others;
      scores[i] = detail::comparable(before[i].meets(task) ? -cost : gain);
    }
  }

  // In each block, the unit whose un-sharing promises most is given up by the task that loses least.
  template <class S>
  void give_up(const MaskStep<S>& step, const State& state, const std::vector<TaskSet>& sets,
               const detail::Places& places, std::span<const std::size_t> unit_of, std::size_t units,
               View<S>& seen) const {
    struct Sums {
      double cost = 0, slope = 0, bend = 0, shared = 0;
    };
    std::vector<double> promise(units), least(units);
    std::vector<Sums> sums(units);
    std::vector<std::size_t> loser(units, sets.size());
    for (std::size_t v = 0; v < sets.size(); ++v) {
      view(step, state, sets[v], places, seen);
      if (!seen.known) return;
      std::fill(sums.begin(), sums.end(), Sums());
      for (const std::size_t i : seen.live) {
        const auto w = static_cast<double>(step.parameters[i]), a = static_cast<double>(seen.gradient[i]);
        const auto h = static_cast<double>(seen.curvature[i]);
        const bool shared = (step.owners[i] & step.labelled).count() > 1;
        Sums& sum = sums[unit_of[i]];
        sum.cost += h * w * w / 2;
        sum.slope += shared ? a * a - static_cast<double>(seen.noise[i]) : 0;
        sum.bend += shared ? h : 0;
        sum.shared += shared ? 1 : 0;
      }
      for (std::size_t u = 0; u < units; ++u) {
        const auto& [cost, slope, bend, shared] = sums[u];
        if (!(shared > 0)) continue;
        const double mean = bend / shared + seen.mean_curvature;
        if (slope > 0 && mean > 0) promise[u] += slope / mean / 2;
        if (loser[u] == sets.size() || cost < least[u]) {
          least[u] = cost;
          loser[u] = v;
        }
      }
    }
    for (const MaskBlock& block : step.blocks) {
      if (!block.prunable() || block.parameter.size() == 0) continue;
      const std::size_t end = block.offset + block.parameter.size(), last = unit_of[end - 1];
      std::size_t best = units;
      for (std::size_t u = unit_of[block.offset]; u <= last; ++u)
        if (loser[u] < sets.size() && promise[u] > least[u] &&
            (best == units || promise[u] - least[u] > promise[best] - least[best]))
          best = u;
      if (best == units) continue;
      for (std::size_t i = block.offset; i < end; ++i)
        if (unit_of[i] == best)
          for (std::size_t t = 0; t < step.tasks; ++t)
            if (sets[loser[best]].has(t)) step.owners[i] = step.owners[i].without(t);
    }
  }
};

}  // namespace mtlx::sharing
