// SPDX-License-Identifier: MIT
// Task affinity: how one task's step on the shared parameters changes another task's loss. Everywhere in this folder a
// table is (tasks, tasks); ROW: the task that is AFFECTED; COLUMN: the task whose step it was (ACTING); positive: the
// affected task's loss falls. An affinity says what a step did in this training. It is no cause, and no likeness.
//
// A measure of affinity is an aggregate of options with
//   static constexpr std::string_view name;
//   bool wants(std::size_t step) const;                            whether to look in that step, counted from 0
//   void look(Moment& moment, std::span<double> table) const;      fills (affected, acting), NaN where it can't tell
// The table comes filled with NaN. The mean of the tables over a training is the measure's estimate; where a look wants
// to know the step or random numbers, the moment has them.
// Reference: Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021, section 3.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace mtlx::grouping {

/// Numbers between tasks, for people to read: row = affected task, column = task whose step it was.
struct Table {
  std::string title;
  std::vector<std::string> tasks;
  std::vector<double> values;                  ///< (tasks, tasks); NaN where there is none
  std::vector<double> lower = {}, upper = {};  ///< an interval of each, or none at all
  std::vector<double> p = {};                  ///< after correction for many comparisons, or none at all

  double at(std::size_t affected, std::size_t acting) const { return values.at(affected * tasks.size() + acting); }
};

/// One moment of a joint training, as a measure sees it: after the gradients, before the update. Nothing that is asked
/// moves a parameter. `step of task i` is how the shared parameters would move if i's gradient alone were followed, by
/// the optimizer's real step (its memory and all) or by plain gradient, as whoever makes the moment was told.
class Moment {
 public:
  virtual ~Moment() = default;
  virtual std::size_t tasks() const = 0;
  /// Tasks with a label in the step's batch and in what losses are evaluated on.
  virtual TaskSet present() const = 0;
  /// Steps of this training before this one, and its seed.
  virtual std::size_t step() const = 0;
  virtual std::uint64_t seed() const = 0;
  /// Each task's loss at the present parameters, on the step's batch or on held-out samples; 0 where it isn't present.
  virtual std::span<const double> losses() = 0;
  /// The same after the shared parameters moved by the sum over tasks of amounts[i] times the step of task i, heads, norms
  /// and dropout as they were. Valid until the next call. amounts : (tasks).
  virtual std::span<const double> losses_after(std::span<const double> amounts) = 0;
  /// By how much the affected task's loss falls with the acting task's step, to first order: minus the inner product of the
  /// gradient (of the loss that `losses` has) and the step.
  virtual double fall(std::size_t affected, std::size_t acting) = 0;
  /// The cosine between two tasks' gradients of the step's batch; NaN where one is 0.
  virtual double cosine(std::size_t a, std::size_t b) = 0;
  /// `losses` and `fall` on the step's own batch, whatever losses are evaluated on. It takes no pass where gradients of
  /// each task are there already, and no step of the optimizer for plain gradient steps.
  virtual std::span<const double> batch_losses() { return losses(); }
  virtual double batch_fall(std::size_t affected, std::size_t acting) { return fall(affected, acting); }
};

/// What losses are evaluated on.
enum class Evaluation {
  held_out,    ///< samples that are not trained on: new ones in each look
  same_batch,  ///< the step's own batch, as TAG does; it also measures what the network learned by heart
};

/// Which step of a task alone is meant.
enum class StepKind {
  optimizer,  ///< the optimizer's real step, with its momentum and scaling
  gradient,   ///< learning rate times gradient
};

struct Affinities;

/// What looks on in a training: a measure with its record, whatever its type.
class Watch {
 public:
  virtual ~Watch() = default;
  virtual Evaluation evaluation() const = 0;
  virtual StepKind step_kind() const = 0;
  virtual bool wants(std::size_t step) const = 0;
  virtual void look(Moment& moment) = 0;
  /// What it keeps of its looks, if that is all that a look changes: a search that goes on after an interruption then puts
  /// in what was seen, and does not train again. Null: it does.
  virtual Affinities* record() { return nullptr; }
};

}  // namespace mtlx::grouping

namespace mtlx {

/// A measure of affinity; see the head of grouping/affinity.hpp.
template <class M>
concept AffinityMeasure =
    std::is_aggregate_v<M> && requires(const M m, grouping::Moment& moment, std::span<double> table) {
      { M::name } -> std::convertible_to<std::string_view>;
      { m.wants(std::size_t{}) } -> std::convertible_to<bool>;
      m.look(moment, table);
    };

}  // namespace mtlx

namespace mtlx::grouping {

/// What a measure saw in one training.
struct Affinities {
  std::string measure;
  Evaluation evaluation = Evaluation::held_out;
  StepKind step_kind = StepKind::optimizer;
  std::size_t tasks = 0;
  std::vector<std::size_t> steps;  ///< of each look
  std::vector<double> values;      ///< (looks, affected, acting)

  std::size_t looks() const { return steps.size(); }
  /// The table of one look.
  std::span<const double> look(std::size_t i) const {
    return std::span(values).subspan(i * tasks * tasks, tasks * tasks);
  }
  /// Means over looks [first, last) : (affected, acting), leaving out what is NaN; NaN where nothing is left.
  [[gnu::cold, gnu::noinline]] std::vector<double> mean(
      std::size_t first = 0, std::size_t last = std::numeric_limits<std::size_t>::max()) const {
    std::vector<double> sums(tasks * tasks), counts(tasks * tasks);
    for (std::size_t i = first; i < std::min(last, looks()); ++i)
      for (std::size_t cell = 0; cell < sums.size(); ++cell)
        if (const double value = look(i)[cell]; !is_nan(value)) sums[cell] += value, counts[cell] += 1;
    for (std::size_t cell = 0; cell < sums.size(); ++cell)
      sums[cell] = counts[cell] > 0 ? sums[cell] / counts[cell] : std::numeric_limits<double>::quiet_NaN();
    return sums;
  }
};

/// A measure that keeps what it sees.
template <AffinityMeasure Measure>
class Watching final : public Watch {
 public:
  explicit Watching(Measure measure = {}, Evaluation evaluation = Evaluation::held_out,
                    StepKind step_kind = StepKind::optimizer)
      : measure_(measure) {
    seen_.measure = Measure::name;
    seen_.evaluation = evaluation;
    seen_.step_kind = step_kind;
  }

  Evaluation evaluation() const override { return seen_.evaluation; }
  StepKind step_kind() const override { return seen_.step_kind; }
  bool wants(std::size_t step) const override { return measure_.wants(step); }
  [[gnu::cold]] void look(Moment& moment) override {
    const std::size_t cells = moment.tasks() * moment.tasks();
    seen_.tasks = moment.tasks();
    seen_.steps.push_back(moment.step());
    seen_.values.resize(seen_.values.size() + cells, std::numeric_limits<double>::quiet_NaN());
    measure_.look(moment, std::span(seen_.values).last(cells));
  }
  Affinities* record() override { return &seen_; }

  /// What was seen so far.
  const Affinities& seen() const { return seen_; }
  void clear() { seen_.steps.clear(), seen_.values.clear(); }

 private:
  Measure measure_;
  Affinities seen_;
};

}  // namespace mtlx::grouping
