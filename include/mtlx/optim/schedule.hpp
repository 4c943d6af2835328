// SPDX-License-Identifier: MIT
// The concept of a schedule: what becomes of the learning rate over a training.
//
// A schedule is an aggregate of hyper-parameters with
//   double rate(const Now& now) const;               the factor on the optimizer's learning rate
// and it goes with any optimizer that has a `learning_rate`: Scheduled<Adam, Cosine>. Whole epochs count for Step and
// MultiStep, every step for the smooth ones. `fit` called again goes on from where it stood, with the epochs of both
// calls planned.
//
// Optional:
//   struct State;                                    what it remembers between epochs, trivially copyable; then
//   double rate(const Now& now, const State&) const; takes the place of the above, and
//   void observe(State&, double loss) const;         is called after each epoch, as an optimizer's
//   void validate() const;                           throws `Error` if an option is out of range
//   static consteval bool check();                   refuses the type's own arguments, with one static_assert
//
// Laws: depends on nothing but the arguments; agrees with PyTorch's scheduler of that name.
//
// The smallest type that models it is Constant.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/optim/optimizer.hpp>
#include <numbers>
#include <type_traits>
#include <vector>

namespace mtlx::optim {

/// The rate of a schedule, whether it remembers anything or not.
template <class S>
auto rate(const S& schedule, const Now& now, const PolicyState<S>& state)
  requires requires { schedule.rate(now, state); } || requires { schedule.rate(now); }
{
  if constexpr (requires { schedule.rate(now, state); })
    return schedule.rate(now, state);
  else
    return schedule.rate(now);
}

/// A schedule; see the head of this file.
template <class S>
concept Schedule = std::is_aggregate_v<S> && requires(const S s, const PolicyState<S> state) {
  { optim::rate(s, Now{}, state) } -> std::convertible_to<double>;
} && (std::is_empty_v<PolicyState<S>> || requires(const S s, PolicyState<S>& state) { s.observe(state, 0.0); });

/// Whether S is a schedule; if not, one sentence has said why.
template <class S>
consteval bool check_schedule() {
  if constexpr (detail::check_arguments<S>()) {
    static_assert(Schedule<S>,
                  "mtlx: a schedule must be an aggregate with `double rate(const Now& now) const`: see "
                  "optim/schedule.hpp");
    if constexpr (Schedule<S>) return check_state<S>();
  }
  return false;
}

namespace detail {

// From `from` at 0 to `to` at 1, along half a cosine.
inline double cosine(double from, double to, double at) {
  return to + (from - to) * (1 + std::cos(std::numbers::pi * at)) / 2;
}
// Rounding must not take an epoch's first step for the last one's end.
inline double whole_epochs(const Now& now) { return std::floor(now.epoch + 1e-9); }

}  // namespace detail

/// Schedule: the optimizer's own learning rate, always.
struct Constant {
  double rate(const Now&) const { return 1; }
};

/// Schedule: times gamma after every `step_size` epochs, as PyTorch's StepLR.
struct Step {
  std::size_t step_size = 30;
  double gamma = 0.1;

  [[gnu::cold]] void validate() const {
    check_option("Step: step_size", static_cast<double>(step_size), {.least = 1});
    check_option("Step: gamma", gamma);
  }
  double rate(const Now& now) const {
    return std::pow(gamma, std::floor(detail::whole_epochs(now) / static_cast<double>(step_size)));
  }
};

/// Schedule: times gamma at each milestone, an epoch counted from 0; as PyTorch's MultiStepLR.
struct MultiStep {
  std::vector<std::size_t> milestones{};  ///< ascending
  double gamma = 0.1;

  [[gnu::cold]] void validate() const {
    for (std::size_t i = 1; i < milestones.size(); ++i)
      if (milestones[i] <= milestones[i - 1])
        fail("MultiStep: milestones must ascend, and ", milestones[i], " follows ", milestones[i - 1]);
    check_option("MultiStep: gamma", gamma);
  }
  double rate(const Now& now) const {
    double factor = 1;
    for (const std::size_t milestone : milestones)
      if (static_cast<double>(milestone) <= detail::whole_epochs(now)) factor *= gamma;
    return factor;
  }
};

/// Schedule: half a cosine from 1 down to a floor, step by step; as PyTorch's CosineAnnealingLR, stepped after each
/// batch, with T_max the training's steps.
/// Reference: Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, without restarts.
struct Cosine {
  double floor = 0;   ///< where it ends
  double epochs = 0;  ///< where it ends in time, to stay there; 0: with the training

  [[gnu::cold]] void validate() const {
    check_option("Cosine: floor", floor, {.most = 1});
    check_option("Cosine: epochs", epochs);
  }
  double rate(const Now& now) const {
    const double end = epochs > 0 ? epochs : now.epochs;
    return now.epoch < end ? detail::cosine(1, floor, now.epoch / end) : floor;
  }
};

/// Schedule: from 1 / div_factor up to 1, then down to 1 / (div_factor final_div_factor) at the training's last step,
/// each along half a cosine; as PyTorch's OneCycleLR (annealing "cos", two phases). The optimizer's learning rate is
/// PyTorch's max_lr. The momentum stays as it is: PyTorch's cycle_momentum is left out.
/// Reference: Smith and Topin, "Super-Convergence", 2018.
struct OneCycle {
  double pct_start = 0.3;  ///< the part of the training in which it rises
  double div_factor = 25;
  double final_div_factor = 1e4;

  [[gnu::cold]] void validate() const {
    check_option("OneCycle: pct_start", pct_start, {.most = 1});
    check_option("OneCycle: div_factor", div_factor, {.least = 1});
    check_option("OneCycle: final_div_factor", final_div_factor, {.least = 1});
  }
  double rate(const Now& now) const {
    // In whole steps, as PyTorch counts: the top is reached in the last step that rises, the end in the last of all.
    const double step = std::round(now.epoch * static_cast<double>(now.steps_per_epoch));
    const double steps = std::round(now.epochs * static_cast<double>(now.steps_per_epoch));
    const double top = pct_start * steps - 1, last = steps - 1;
    const double low = 1 / div_factor, end = low / final_div_factor;
    if (top > 0 && step <= top) return detail::cosine(low, 1, step / top);
    return step < last ? detail::cosine(1, end, (step - top) / (last - top)) : end;
  }
};

/// Schedule: the learning rate falls when the validation loss, or without one the training loss, stands still; as
/// PyTorch's ReduceLROnPlateau with mode "min" and a relative threshold. A loss that is no number is no better than the
/// best. PyTorch's `eps` is left out: every reduction is done.
struct ReduceOnPlateau {
  double factor = 0.1;
  std::size_t patience = 10;  ///< epochs without a better loss that are borne; the next one reduces
  double threshold = 1e-4;    ///< a loss is better below (1 - threshold) of the best
  std::size_t cooldown = 0;   ///< epochs after a reduction that don't count
  double min_factor = 0;      ///< the least part of the learning rate

  struct State {
    double rate = 1;
    double best = 0;
    std::uint64_t observed = 0;  ///< losses that were numbers
    std::uint64_t bad_epochs = 0;
    std::uint64_t cooldown_left = 0;
  };

  [[gnu::cold]] void validate() const {
    check_option("ReduceOnPlateau: factor", factor, {.most = 1, .most_too = false});
    check_option("ReduceOnPlateau: threshold", threshold, {.most = 1});
    check_option("ReduceOnPlateau: min_factor", min_factor, {.most = 1});
  }
  double rate(const Now&, const State& state) const { return state.rate; }
  [[gnu::cold]] void observe(State& state, double loss) const {
    if (is_finite(loss) && (state.observed == 0 || loss < state.best * (1 - threshold))) {
      state.best = loss;
      state.bad_epochs = 0;
    } else {
      ++state.bad_epochs;
    }
    if (is_finite(loss)) ++state.observed;
    if (state.cooldown_left > 0) --state.cooldown_left, state.bad_epochs = 0;
    if (state.bad_epochs <= patience) return;
    state.rate = maximum(state.rate * factor, min_factor);
    state.cooldown_left = cooldown;
    state.bad_epochs = 0;
  }
};

/// Schedule: a straight line from `start_factor` up to 1, then another schedule, whose time begins there; as PyTorch's
/// LinearLR followed by the other in a SequentialLR.
/// Reference: Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.2.
template <class Next = Constant>
struct WarmUp {
  double epochs = 1;  ///< how long it rises; parts of epochs too
  double start_factor = 1.0 / 3;
  Next next{};

  using State = PolicyState<Next>;

  static consteval bool check() {
    if constexpr (!check_schedule<Next>()) {
      return false;
    } else {
      constexpr bool once = !detail::is_made_of<optim::WarmUp, Next>;
      static_assert(once, "mtlx: a schedule has one WarmUp, and here it has two");
      return once;
    }
  }
  [[gnu::cold]] void validate() const {
    check_option("WarmUp: epochs", epochs);
    check_option("WarmUp: start_factor", start_factor, {.most = 1});
    mtlx::validate(next);
  }
  void observe(State& state, double loss) const { optim::observe(next, state, loss); }
  double rate(const Now& now, const State& state) const {
    if (now.epoch < epochs) return start_factor + (1 - start_factor) * now.epoch / epochs;
    Now after = now;
    after.epoch -= epochs;
    after.epochs -= epochs;
    return optim::rate(next, after, state);
  }
};

namespace detail {

// An optimizer, maybe within wrappers, with its learning rate times a factor.
template <class O>
concept HasLearningRate = requires(O o) { o.learning_rate *= 1.0; };
template <class O>
consteval bool has_learning_rate() {
  if constexpr (HasLearningRate<O>)
    return true;
  else if constexpr (requires(O o) { o.optimizer; })
    return has_learning_rate<decltype(O::optimizer)>();
  else
    return false;
}
template <class O>
void scale_learning_rate(O& optimizer, double factor) {
  if constexpr (HasLearningRate<O>)
    optimizer.learning_rate *= factor;
  else
    scale_learning_rate(optimizer.optimizer, factor);
}

}  // namespace detail

/// Optimizer policy: another optimizer, whose learning rate a schedule changes.
template <class O, class S>
struct Scheduled {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = optim::states<O>;
  static constexpr bool needs_norm = optim::needs_norm<O>;
  static constexpr bool averages = optim::averages<O>;
  struct State {
    [[no_unique_address]] PolicyState<O> optimizer{};
    [[no_unique_address]] PolicyState<S> schedule{};
  };

  O optimizer{};
  S schedule{};

  static consteval bool check() {
    if constexpr (optim::check<O>()) {
      if constexpr (check_schedule<S>()) {
        constexpr bool once = !detail::contains<optim::Scheduled, O>(), rate = detail::has_learning_rate<O>();
        static_assert(once, "mtlx: an optimizer is Scheduled once, and here it is twice");
        static_assert(rate, "mtlx: Scheduled needs an optimizer with a `learning_rate`");
        return once && rate;
      }
    }
    return false;
  }
  [[gnu::cold]] void validate() const {
    mtlx::validate(optimizer);
    mtlx::validate(schedule);
  }

  void observe(State& state, double loss) const {
    optim::observe(optimizer, state.optimizer, loss);
    optim::observe(schedule, state.schedule, loss);
  }

  double scheduled_rate(const Now& now, const State& state) const {
    return optim::rate(schedule, now, state.schedule) * optim::learning_rate(optimizer, now, state.optimizer);
  }
  auto rule(const Now& now, const State& state) const {
    O scaled = optimizer;
    detail::scale_learning_rate(scaled, optim::rate(schedule, now, state.schedule));
    return optim::rule(scaled, now, state.optimizer);
  }
};

}  // namespace mtlx::optim
