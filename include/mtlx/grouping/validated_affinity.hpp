// SPDX-License-Identifier: MIT
// Groups by affinities that were held against short real trainings of groups, with how sure one can be of every step.
//
//   1. Joint trainings of all tasks with fresh weights: an affinity table each (a measure's mean over its looks), so that
//      relations of pairs have intervals and tests over runs (statistics/intervals.hpp).
//   2. Rollouts: from some states of the first of these trainings, balanced subsets S of the tasks train on for some steps, on the
//      same batches. A member's gain is y = log L_i({i}) - log L_i(S) on samples that are not trained on.
//   3. Effects of partners and of their pairs, as far as those gains say, shrunk to the calibrated affinity
//      (statistics/group_effects.hpp): y = sum_j beta_ij + sum_{j<k} gamma_ijk + u + e over partners j, k in S.
//   4. An exact search for the plan with the largest mean gain by the posterior mean, one by its lower bound, and one for each of
//      many draws from the posterior: how often a group is chosen is how sure the choice is.
//   5. The best of the plans, and all tasks together, are trained briefly with fresh weights, and what is best on the
//      samples that judge is taken: the best of many estimates looks better than it is (winner's curse).
//
// Nobody has published intervals or control for many comparisons for a choice of groups; this is a design of ours. What it is
// made of: Fifty et al., NeurIPS 2021 (affinities); Li, Nguyen, Zhang, TMLR 2023 (models of random subsets); Patterson and
// Thompson, Biometrika 58, 1971 (variances); Holm, Scandinavian Journal of Statistics 6, 1979.
#pragma once

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
#include <mtlx/core/significance.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/grouping/detail/words.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/grouping/search.hpp>
#include <mtlx/grouping/statistics/balanced_subsets.hpp>
#include <mtlx/grouping/statistics/group_effects.hpp>
#include <mtlx/grouping/statistics/interactions.hpp>
#include <mtlx/grouping/statistics/intervals.hpp>
#include <mtlx/grouping/statistics/words.hpp>
#include <mtlx/grouping/workshop.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// Steps of training that `ValidatedAffinity` takes.
struct ValidationCost {
  std::size_t joint = 0, rollouts = 0;
  std::size_t tries = 0;  ///< at most: plans may have networks in common
  std::size_t steps_of_a_joint_training = 0, steps_of_a_rollout = 0, steps_of_a_try = 0;
  std::size_t total() const { return joint + rollouts + tries; }
};

namespace detail {

/// `ValidatedAffinity` without its measure.
struct ValidationOptions {
  std::size_t groups, runs, rollouts, states, subsets, steps, draws, tries;
  double joint, brief, level, held_out;
  Evaluation evaluation;
  StepKind step_kind;
};

/// The cost for so many tasks, when one network of all of them takes `fit` steps.
[[gnu::cold, gnu::noinline]] inline ValidationCost validation_cost(const ValidationOptions& o, std::size_t tasks,
                                                                   std::size_t fit) {
  const auto share = [&](double of) {
    return std::max<std::size_t>(1, static_cast<std::size_t>(of * static_cast<double>(fit) + 0.5));
  };
  ValidationCost cost;
  const std::size_t trainings = o.rollouts * o.states * (tasks + (o.subsets > 0 ? o.subsets : 3 * tasks));
  cost.steps_of_a_joint_training = share(o.joint);
  cost.steps_of_a_rollout = o.steps > 0 ? o.steps : std::clamp<std::size_t>(fit / trainings, 20, 200);
  cost.steps_of_a_try = share(o.brief);
  cost.joint = o.runs * cost.steps_of_a_joint_training;
  cost.rollouts = trainings * cost.steps_of_a_rollout;
  if (o.tries > 0) cost.tries = (o.tries * std::min(o.groups, tasks) + 1) * cost.steps_of_a_try;
  return cost;
}

/// The group that serves a task.
[[gnu::cold]] inline TaskSet serving(const std::vector<Group>& plan, std::size_t task) {
  for (const Group& group : plan)
    if (group.serves.has(task)) return group.members;
  fail("grouping: task ", task, " is served by no group");
}

/// Everything of `ValidatedAffinity` but the measure.
class Validation {
 public:
  Validation(const ValidationOptions& options, std::string_view measure, Workshop& workshop)
      : o_(options), measure_(measure), workshop_(workshop), names_(workshop.names()), tasks_(workshop.tasks()) {
    // Affinities are measured on samples that neither train nor judge; without them, validation data are enough.
    workshop.hold_out(o_.evaluation == Evaluation::held_out || !workshop.validates() ? o_.held_out : 0);
    fit_ = std::max<std::size_t>(1, workshop.epochs() * workshop.steps_in_epoch());
    cost_ = validation_cost(o_, tasks_, fit_);
  }

  /// One joint training, looked at.
  [[gnu::cold]] void train_jointly(std::size_t run, Watch& watch) {
    const bool goes_on = run < o_.rollouts;
    // No two of all states are equally far.
    std::vector<double> shares;
    for (std::size_t k = 0; goes_on && k < o_.states; ++k)
      shares.push_back((static_cast<double>(k) + (static_cast<double>(run) + 0.5) / static_cast<double>(o_.rollouts)) /
                       static_cast<double>(o_.states));
    Trained trained = workshop_.train({.members = TaskSet::first(tasks_),
                                       .run = run,
                                       .steps = cost_.steps_of_a_joint_training,
                                       .snapshots = shares,
                                       .watch = &watch});
    if (!goes_on) return;
    states_.insert(states_.end(), trained.states.begin(), trained.states.end());
  }
  /// What was seen in it.
  [[gnu::cold]] void keep(const Affinities& seen) {
    if (seen.looks() == 0)
      fail("ValidatedAffinity: the measure did not look once in ", cost_.steps_of_a_joint_training, " steps");
    looks_ = seen.looks();
    const auto mean = seen.mean();
    tables_.insert(tables_.end(), mean.begin(), mean.end());
  }

  [[gnu::cold]] Plan plan() {
    roll_out();
    const std::vector<double> affinity = mean_affinity();
    const GroupEffects effects = fit_group_effects(
        gains_, tasks_,
        {.affinity = calibrates(affinity) ? std::span<const double>(affinity) : std::span<const double>(),
         .interactions = tasks_ <= 20});
    choose(effects);
    try_plans();

    const std::vector<Group>& best = candidates_[chosen_].groups;
    Plan plan{best, {.value = mean_gain(effects, best)}};
    add_tables(plan.evidence, effects);
    plan.evidence.text = words(effects);
    return plan;
  }

 private:
  struct Candidate {
    std::vector<Group> groups;
    const char* why;
    double share = 0;  // of draws
    double value = 0;  // mean over tasks of -log loss after the brief training
  };

  double log_loss(const Trained& trained, std::size_t task) const {
    const double loss = trained.losses.at(task);
    if (!(is_finite(loss) && loss > 0))
      fail("ValidatedAffinity: the loss of the task \"", names_[task], "\" is ", loss,
           " on the samples that judge; gains are ratios of losses, which must be above 0");
    return std::log(loss);
  }

  [[gnu::cold]] void roll_out() {
    const SubsetDesign design = balanced_subsets(tasks_, {.count = o_.subsets, .seed = workshop_.seed()});
    pairs_ = design.least_pair;
    for (std::size_t s = 0; s < states_.size(); ++s) {
      std::vector<double> alone(tasks_);
      for (const TaskSet set : design.subsets) {  // each task alone is first
        const Trained trained = workshop_.train(
            {.members = set, .run = o_.runs + s, .steps = cost_.steps_of_a_rollout, .from = &states_[s]});
        for (std::size_t t = 0; t < tasks_; ++t) {
          if (!set.has(t)) continue;
          if (set.count() == 1)
            alone[t] = log_loss(trained, t);
          else
            gains_.push_back({s, set, t, alone[t] - log_loss(trained, t)});
        }
      }
    }
    states_.clear();
  }

  std::vector<double> mean_affinity() const {
    std::vector<double> mean(tasks_ * tasks_);
    for (std::size_t i = 0; i < tables_.size(); ++i) mean[i % mean.size()] += tables_[i] / static_cast<double>(o_.runs);
    return mean;
  }
  // Whether the effects can shrink to affinities: those of all pairs are known, and differ.
  bool calibrates(std::span<const double> affinity) const {
    bool differs = false;
    for (std::size_t cell = 0; cell < affinity.size(); ++cell) {
      if (cell % (tasks_ + 1) == 0) continue;
      if (!is_finite(affinity[cell])) return false;
      differs = differs || affinity[cell] != affinity[1];
    }
    return differs && tasks_ >= 3;
  }

  double mean_gain(const GroupEffects& effects, const std::vector<Group>& plan) const {
    double sum = 0;
    for (std::size_t t = 0; t < tasks_; ++t) sum += effects(t, serving(plan, t));
    return sum / static_cast<double>(tasks_);
  }

  // Any score of task and group, as one type: the search is compiled once.
  class Score {
   public:
    template <class Function>
    explicit Score(const Function& of)
        : of_(&of), call_([](const void* f, std::size_t task, TaskSet group) {
            return static_cast<double>((*static_cast<const Function*>(f))(task, group));
          }) {}
    double operator()(std::size_t task, TaskSet group) const {
      return group.count() > 1 ? call_(of_, task, group) : 0;  // a task alone gains nothing
    }

   private:
    const void* of_;
    double (*call_)(const void*, std::size_t, TaskSet);
  };
  std::vector<Group> best_plan(const Score& score) const { return best_groups(score, tasks_, o_.groups).plan(); }

  [[gnu::cold]] void choose(const GroupEffects& effects) {
    candidates_.push_back({best_plan(Score(effects)), "best by the estimates"});
    const auto add = [&](std::vector<Group> groups, const char* why) {
      for (const Candidate& known : candidates_)
        if (sets(known.groups) == sets(groups)) return;
      candidates_.push_back({std::move(groups), why});
    };
    const auto lower = [&](std::size_t task, TaskSet group) { return effects.lower(task, group, 1 - o_.level); };
    add(best_plan(Score(lower)), "best by lower bounds");

    together_.assign(tasks_ * tasks_, 0);
    const auto search = [&](const EffectDraw& draw) {
      const std::vector<Group> found = best_plan(Score(draw));
      for (std::size_t t = 0; t < tasks_; ++t)
        for (std::size_t j = 0; j < tasks_; ++j)
          if (serving(found, t).has(j)) together_[t * tasks_ + j] += 1 / static_cast<double>(o_.draws);
      return sets(found);
    };
    const auto drawn = choice_probability(effects, search, {.draws = o_.draws, .seed = workshop_.seed()});
    different_ = drawn.plans.size();
    for (const auto& plan : drawn.plans)
      if (candidates_.size() < o_.tries) add(served(effects, plan.groups), "drawn often");
    if (candidates_.size() > std::max<std::size_t>(1, o_.tries)) candidates_.pop_back();
    const TaskSet all = TaskSet::first(tasks_);
    if (o_.tries > 0) add({{all, all}}, "all together");
    for (Candidate& candidate : candidates_)
      for (const auto& plan : drawn.plans)
        if (plan.groups == sets(candidate.groups)) candidate.share = plan.probability;
  }

  // The groups of a plan, whatever their order and whom they serve.
  static std::vector<TaskSet> sets(const std::vector<Group>& plan) {
    std::vector<TaskSet> groups;
    for (const Group& group : plan) groups.push_back(group.members);
    std::sort(groups.begin(), groups.end(), [](TaskSet a, TaskSet b) { return a.bits() < b.bits(); });
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    return groups;
  }
  // Each task with the group that does most for it.
  std::vector<Group> served(const GroupEffects& effects, const std::vector<TaskSet>& groups) const {
    std::vector<Group> plan;
    for (const TaskSet group : groups) plan.push_back({group, {}});
    for (std::size_t t = 0; t < tasks_; ++t) {
      Group* best = nullptr;
      for (Group& group : plan)
        if (group.members.has(t) && (best == nullptr || effects(t, group.members) > effects(t, best->members)))
          best = &group;
      if (best != nullptr) best->serves = best->serves.with(t);
    }
    std::erase_if(plan, [](const Group& group) { return group.serves.empty(); });
    return plan;
  }

  // Fresh weights, the same ones for all plans: what the plans were chosen by has no part in it.
  [[gnu::cold]] void try_plans() {
    if (candidates_.size() < 2 || o_.tries == 0) return;
    std::vector<std::pair<TaskSet, Trained>> done;
    for (Candidate& c : candidates_) {
      for (std::size_t t = 0; t < tasks_; ++t) {
        const TaskSet members = serving(c.groups, t);
        auto found = std::find_if(done.begin(), done.end(), [&](const auto& one) { return one.first == members; });
        if (found == done.end())
          found = done.insert(done.end(), {members, workshop_.train({.members = members,
                                                                     .run = o_.runs + o_.rollouts * o_.states,
                                                                     .steps = cost_.steps_of_a_try})});
        c.value -= log_loss(found->second, t) / static_cast<double>(tasks_);
      }
      if (c.value > candidates_[chosen_].value) chosen_ = static_cast<std::size_t>(&c - candidates_.data());
      if (sets(c.groups).size() == 1) all_together_ = c.value;
    }
    tried_ = true;
  }

  Table table(const char* title) const {
    const std::vector<double> none(tasks_ * tasks_, std::numeric_limits<double>::quiet_NaN());
    return {title, task_names(names_), none};
  }
  Relations relations(bool contrasts) const {
    return relations_over_runs(tables_, tasks_, {.level = o_.level, .contrasts = contrasts});
  }
  [[gnu::cold]] void add_tables(Evidence& evidence, const GroupEffects& effects) const {
    // As measured, with an offset that is every partner's: nothing to test.
    evidence.tables.push_back(relations_table(relations(false), names_));
    evidence.tables.back().p.clear();
    if (tasks_ >= 3) evidence.tables.push_back(relations_table(relations(true), names_));
    Table effect = table("effect of a single partner on log L_i({i}) - log L_i(S), posterior");
    Table together = table("share of the posterior's draws whose best plan serves the task beside that partner");
    effect.lower = effect.upper = effect.values;
    const double z = normal_critical(o_.level / 2);
    for (std::size_t t = 0; t < tasks_; ++t)
      for (std::size_t j = 0; j < tasks_; ++j) {
        if (j == t) continue;
        const TaskSet pair = TaskSet::only(t).with(j);
        const std::size_t cell = t * tasks_ + j;
        const double mean = effects(t, pair), half = z * effects.error(t, pair);
        effect.values[cell] = mean, effect.lower[cell] = mean - half, effect.upper[cell] = mean + half;
        together.values[cell] = together_[cell];
      }
    evidence.tables.push_back(std::move(effect));
    evidence.tables.push_back(std::move(together));
  }

  // Less the sentence that is said once, at the end.
  static std::string body(std::string text) {
    if (text.ends_with(no_cause)) text.resize(text.size() - std::string_view(no_cause).size());
    return text;
  }
  [[gnu::cold]] std::string words(const GroupEffects& effects) const {
    const Candidate& taken = candidates_[chosen_];
    std::string text = "ValidatedAffinity. " + plan_words(taken.groups, names_);
    text += join("Planned ", cost_.total(), " steps, took ", workshop_.steps(), ": ",
                 short_number(static_cast<double>(workshop_.steps()) / static_cast<double>(fit_)),
                 " times the training of one network for all tasks (", fit_, " steps).\n");
    text += join("It was best in ", percent_of(taken.share), " of ", o_.draws, " draws from what the effects may be; ",
                 different_, different_ == 1 ? " plan was" : " plans were", " best at least once.",
                 taken.share < 0.5 ? " Another plan may well be as good.\n" : "\n");
    if (tried_) {
      text += join("Tried with fresh weights for ", cost_.steps_of_a_try,
                   " steps (by how much the log loss was lower than with all tasks in one network; one training each, "
                   "so that small differences are chance):\n");
      for (const Candidate& one : candidates_)
        text += join("  ", short_number(one.value - all_together_), "  ", plan_text(one.groups, names_), " (", one.why,
                     ", in ", percent_of(one.share), " of the draws, estimated gain ",
                     short_number(mean_gain(effects, one.groups)), ")\n");
    } else {
      text += "It was not tried: the best of many estimates looks better than it is.\n";
    }

    text +=
        join("\nGroups, by short trainings: from ", o_.rollouts * o_.states, " states of joint trainings, ",
             effects.subsets(), " sets of tasks and each task alone went on for ", cost_.steps_of_a_rollout,
             " steps on the same batches, each pair together in ", pairs_,
             " sets or more. A gain is log L_i({i}) - log L_i(S) on samples that are not trained on: 0.01 is a loss "
             "about 1 % smaller than alone. What whole trainings come to was not measured. A run below is a state; "
             "intervals are of "
             "these ",
             o_.rollouts, " trainings, and others may differ by more.\n");
    text += body(effects_words(effects, names_));
    text += interaction_words(interaction_test(gains_, tasks_, {.seed = workshop_.seed()}), names_, o_.level);

    text += join(
        "\nPairs, by the affinity ", measure_, ": ", o_.runs, " joint trainings of ", cost_.steps_of_a_joint_training,
        " steps with first weights of their own, ", looks_, " looks each; steps are ",
        o_.step_kind == StepKind::optimizer ? "the optimizer's" : "plain gradients'", ", losses those of ",
        o_.evaluation == Evaluation::held_out ? "samples that are not trained on.\n"
                                              : "the step's own batch, which also shows what is learned by heart.\n");
    text += tasks_ >= 3 ? body(relations_words(relations(true), names_))
                        : "Two tasks: there is no other partner to compare with, and nothing was tested.\n";
    text +=
        "In tables a row is the task that is affected, a column the task whose step it was, or who trained beside it; "
        "positive is better.\n";
    return text + no_cause;
  }
  static std::string percent_of(double share) { return short_number(100 * share) + " %"; }

  const ValidationOptions o_;
  std::string_view measure_;
  Workshop& workshop_;
  std::span<const std::string_view> names_;
  std::size_t tasks_, fit_ = 0, looks_ = 0, pairs_ = 0, different_ = 0, chosen_ = 0;
  bool tried_ = false;
  double all_together_ = 0;  // the value of that
  ValidationCost cost_;
  std::vector<double> tables_, together_;  // (runs, affected, acting); (served, partner)
  std::vector<std::string> states_;
  std::vector<GroupResult> gains_;
  std::vector<Candidate> candidates_;
};

}  // namespace detail

/// Grouping policy: groups by affinities that short trainings of groups were held against; see the head of this file. With
/// the options as they are and 6 tasks it costs about 3.5 times the training of one network for all tasks.
template <AffinityMeasure Measure = Lookahead>
struct ValidatedAffinity {
  static constexpr auto kind = Kind::grouping;

  std::size_t groups = 2;  ///< networks at most
  std::size_t runs = 5;  ///< joint trainings with fresh weights, at least 2: what intervals and tests of pairs rest on
  double joint = 0.3;    ///< the length of each, as a share of the fit
  std::size_t rollouts = 3;  ///< of these trainings, so many are gone on from
  std::size_t states = 2;    ///< in each of them; all together they are evenly spread
  std::size_t subsets = 0;   ///< of two tasks or more that go on from each state; 0: three times the tasks
  std::size_t steps = 0;     ///< that they go on for; 0: from 20 to 200, so that all of them cost about one fit
  double level = 0.05;       ///< of tests, over all pairs together; intervals and lower bounds are of 1 - level
  std::size_t draws = 1000;  ///< from the posterior
  std::size_t tries =
      3;               ///< plans that are trained briefly, with all tasks together beside them; 0: the estimates decide
  double brief = 0.1;  ///< the length of that, as a share of the fit
  /// Share of the training samples that is set aside: affinities are evaluated on it, and it judges where there are no
  /// validation data. With those and `Evaluation::same_batch` none is.
  double held_out = 0.1;
  Measure measure{};
  Evaluation evaluation = Evaluation::held_out;  ///< of affinities
  StepKind step_kind = StepKind::optimizer;

  /// Throws `Error` if an option is out of range.
  [[gnu::cold]] void validate() const {
    const auto whole = [](const char* option, std::size_t given, double least) {
      check_option(join("ValidatedAffinity: ", option), static_cast<double>(given), {.least = least});
    };
    whole("groups", groups, 1);
    whole("runs", runs, 2);
    whole("rollouts", rollouts, 1);
    whole("states", states, 1);
    whole("draws", draws, 1);
    if (rollouts > runs) fail("ValidatedAffinity: ", rollouts, " rollouts of ", runs, " runs");
    const auto share = [](const char* option, double given) {
      check_option(join("ValidatedAffinity: ", option), given, {.most = 1});
      if (!(given > 0)) fail("ValidatedAffinity: ", option, " must be above 0");
    };
    share("joint", joint);
    share("brief", brief);
    share("level", level);
    check_option("ValidatedAffinity: level", level, {.most = 1, .most_too = false});
    check_option("ValidatedAffinity: held_out", held_out, {.most = 1, .most_too = false});
    if (evaluation == Evaluation::held_out && !(held_out > 0))
      fail("ValidatedAffinity: held_out is 0, and affinities are to be measured on held-out samples");
    mtlx::validate(measure);
  }

  /// What `find` will cost: for so many tasks, when one network of all of them takes `steps_of_fit` steps to train.
  ValidationCost cost(std::size_t tasks, std::size_t steps_of_fit) const {
    return detail::validation_cost(options(), tasks, steps_of_fit);
  }

  /// Throws `Error` where a loss that judges is not above 0 (gains are ratios), or a whole training had no look.
  [[gnu::cold]] Plan find(Workshop& workshop) const {
    if (workshop.tasks() == 1) return detail::plan_of_one_task();
    detail::Validation validation(options(), Measure::name, workshop);
    for (std::size_t run = 0; run < runs; ++run) {
      Watching<Measure> watch(measure, evaluation, step_kind);
      validation.train_jointly(run, watch);
      validation.keep(watch.seen());
    }
    return validation.plan();
  }

 private:
  detail::ValidationOptions options() const {
    return {groups, runs,  rollouts, states, subsets,  steps,      draws,
            tries,  joint, brief,    level,  held_out, evaluation, step_kind};
  }
};

}  // namespace mtlx::grouping
