// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/policy_state.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/grouping/regrouping.hpp>
#include <mtlx/optim/optimizer.hpp>
#include <mtlx/training/affinity.hpp>
#include <mtlx/training/learner_base.hpp>
#include <mtlx/training/observer.hpp>
#include <mtlx/training/options.hpp>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::training::detail {

/// The training samples, and those that are set aside for a rule that looks at moments.
class SetAside {
 public:
  /// `data` outlives it. Throws `Error` if there are too few samples.
  template <class Rule>
  [[gnu::cold]] SetAside(const Rule& rule, const data::DataSet& data, std::uint64_t seed) : train_(&data) {
    if constexpr (grouping::LooksWhileTraining<Rule>)
      if (rule.held_out > 0) {
        parts_.emplace(data::split(data, 1 - static_cast<double>(rule.held_out), seed));
        train_ = &parts_->first;
      }
  }
  SetAside(const SetAside&) = delete;
  SetAside& operator=(const SetAside&) = delete;

  const data::DataSet& train() const { return *train_; }
  const data::DataSet* held_out() const { return parts_ ? &parts_->second : nullptr; }

 private:
  std::optional<std::pair<data::DataSet, data::DataSet>> parts_;
  const data::DataSet* train_;
};

/// Steps of a network whose rule regroups it: on each batch the groups take turns.
template <class Rule, class Scalar, std::size_t tasks>
class Turns {
 public:
  static constexpr std::size_t numbers = grouping::Regrouping::size(tasks, Rule::memory(tasks));

  /// `kept` : (numbers), the network's. `held_out`: what a rule looks at; null: the batch.
  [[gnu::cold]] Turns(const Rule& rule, std::span<double> kept, std::uint64_t seed, TaskSet labelled,
                      const data::DataSet* held_out, std::span<Probe<Scalar>* const> probes)
      : rule_(rule), now_(kept, tasks, seed, labelled), probes_(probes.begin(), probes.end()) {
    if constexpr (looks) {
      watch_.emplace(rule_, now_, held_out != nullptr);
      probe_.emplace(*watch_, held_out);
      probes_.push_back(&*probe_);
    }
  }
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  /// A batch. The step that is returned is all groups' together: the losses are those before anything moved. Valid until
  /// the next.
  template <class Learner, class Back, class Data, class Part>
  Step step(Learner& network, Back& backend, const Data& data, std::span<const Part> parts, const Step& where,
            const optim::Now& time, Augmentation<Scalar> augment) {
    if (!now_.begun()) begin();
    std::array<TaskSet, tasks> turns{};
    const std::size_t count = rule_.turns(now_, turns);
    now_.begin_batch();
    const TaskSet present = network.labels_in(data, parts);
    std::size_t acting = 0;
    for (std::size_t g = 0; g < std::min(count, tasks); ++g)
      if (turns[g].meets(present)) turns[acting++] = turns[g];
    if (acting == 0) turns[acting++] = TaskSet();  // the losses all the same
    bool look = false;
    if constexpr (looks) look = rule_.wants(std::as_const(now_));
    Step whole;
    for (std::size_t g = 0; g < acting; ++g) {
      const std::span<Probe<Scalar>* const> asking = g > 0 ? std::span<Probe<Scalar>* const>() : probes(look);
      const Step step =
          network.step(backend, data, parts, where, asking, time, augment, {.acting = turns[g], .again = g > 0});
      now_.note_turn();
      if (g == 0) {
        whole = step;
        std::copy_n(step.losses.begin(), tasks, first_.begin());
        weights_.fill(0);
      } else {
        took(turns[g - 1] & present, present, step.losses);
      }
      for (std::size_t t = 0; t < tasks; ++t)
        if ((turns[g] & present).has(t)) weights_[t] = step.weights[t];
      std::copy_n(step.losses.begin(), tasks, before_.begin());
    }
    if constexpr (requires { rule_.looks_after(std::as_const(now_)); })
      if (rule_.looks_after(std::as_const(now_)))
        took(turns[acting - 1] & present, present, network.losses_now(backend, data, where));
    now_.end_batch();
    whole.losses = first_;
    whole.weights = weights_;
    return whole;
  }

 private:
  static constexpr bool looks = grouping::LooksWhileTraining<Rule>;

  // What a rule that looks is, to who measures.
  class Watch final : public grouping::Watch {
   public:
    Watch(const Rule& rule, grouping::Regrouping& now, bool held_out) : rule_(rule), now_(now), held_out_(held_out) {}
    grouping::Evaluation evaluation() const override {
      return held_out_ ? grouping::Evaluation::held_out : grouping::Evaluation::same_batch;
    }
    grouping::StepKind step_kind() const override { return grouping::StepKind::optimizer; }
    bool wants(std::size_t) const override { return true; }
    void look(grouping::Moment& moment) override {
      if constexpr (looks) rule_.look(now_, moment);
    }

   private:
    const Rule& rule_;
    grouping::Regrouping& now_;
    bool held_out_;
  };

  [[gnu::cold]] void begin() {
    if constexpr (requires { rule_.begin(now_); }) rule_.begin(now_);
    now_.note_begin();
  }
  // Those of the user, and in some batches the rule's.
  std::span<Probe<Scalar>* const> probes(bool look) const {
    return {probes_.data(), probes_.size() - (looks && !look ? 1 : 0)};
  }
  void took(TaskSet acting, TaskSet present, std::span<const double> after) {
    if constexpr (requires(const grouping::GroupStep& step) { rule_.took(now_, step); })
      if (!acting.empty()) rule_.took(now_, {acting, present, before_, after});
  }

  const Rule& rule_;
  grouping::Regrouping now_;
  std::vector<Probe<Scalar>*> probes_;
  std::optional<Watch> watch_;
  std::conditional_t<looks, std::optional<AffinityProbe<Scalar>>, NoState> probe_;
  std::array<double, tasks> first_{}, before_{}, weights_{};
};

/// What stands there for a rule that doesn't regroup.
struct NoTurns {
  static constexpr std::size_t numbers = 0;
  NoTurns(const auto&...) {}
};

template <class Rule, class Scalar, std::size_t tasks>
struct TurnsFor {
  using type = NoTurns;
};
template <grouping::Regroups Rule, class Scalar, std::size_t tasks>
struct TurnsFor<Rule, Scalar, tasks> {
  using type = Turns<Rule, Scalar, tasks>;
};
/// Who takes a network's steps under a grouping rule.
template <class Rule, class Scalar, std::size_t tasks>
using TurnsOf = typename TurnsFor<Rule, Scalar, tasks>::type;

}  // namespace mtlx::training::detail
