// SPDX-License-Identifier: MIT
// What a grouping rule may ask for that finds its plan by training: networks of the model's own type, trained on sets of
// tasks and judged on samples that they have not seen. The model is the workshop; a rule sees numbers alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtlx::grouping {

/// A training that a rule asks for.
struct Training {
  TaskSet members;  ///< the tasks that train together
  std::uint64_t run =
      0;  ///< each number has its own first weights and order of batches; the same number, the same ones
  std::size_t epochs = 0;  ///< 0: as many as the fit was asked for
  std::size_t steps = 0;   ///< if not 0, so many steps instead, over as many epochs as that takes
  /// Begins with this state of a network (Trained::states) instead of first weights, and with the beginning of the epoch that
  /// it is in; its optimizer and heads go on. The network's members become these.
  const std::string* from = nullptr;
  std::span<const double> snapshots{};  ///< shares of the training, ascending in (0, 1], after which the state is kept
  Watch* watch = nullptr;               ///< looks on; not owned
};

/// What came of a training. Numbers of tasks that were no members are NaN.
struct Trained {
  std::vector<double> losses;       ///< on the samples that judge
  std::vector<double> scores;       ///< the primary metric on them, its sign turned so that HIGHER IS BETTER
  std::vector<std::string> states;  ///< at the snapshots
  std::size_t steps = 0;            ///< that were taken
};

/// A trained network that is held still: per-sample gradients through a random projection.
class Still {
 public:
  virtual ~Still() = default;
  /// Samples of the training data that there are for a task.
  virtual std::size_t samples(std::size_t task) const = 0;
  /// Of sample `sample` of the task: its loss, and the gradient of that on the shared parameters times the projection, to :
  /// (dimensions). The projection P : (dimensions, shared) has entries +-1 / sqrt(dimensions), from the seed.
  virtual double sketch(std::size_t task, std::size_t sample, std::uint64_t seed, std::span<double> to) = 0;
  /// Each member's loss on the samples that judge, the shared parameters moved by P^T coefficients. Valid until the next call.
  virtual std::span<const double> losses_along(std::uint64_t seed, std::span<const double> coefficients) = 0;
};

/// Trains for a rule.
class Workshop {
 public:
  virtual ~Workshop() = default;
  virtual std::size_t tasks() const = 0;
  virtual std::span<const std::string_view> names() const = 0;
  virtual std::uint64_t seed() const = 0;
  /// What the fit was asked for, and how many steps an epoch of all tasks takes.
  virtual std::size_t epochs() const = 0;
  virtual std::size_t steps_in_epoch() const = 0;
  /// Whether the fit was given validation data: then these judge, and samples need to be set aside for measures alone.
  virtual bool validates() const { return false; }
  /// Sets a share of the training samples aside: nothing that a rule trains sees them, measures are evaluated on them, and
  /// they judge where there are no validation data. Called at most once, before anything is trained; without a call it is
  /// a tenth, or none with validation data. 0 sets none aside; then validation data must be given and measures evaluate on
  /// the same batch.
  virtual void hold_out(double share) = 0;
  /// The same training asked for again comes to the same: what a search that was interrupted has had trained may be given
  /// back as it was.
  virtual Trained train(const Training& training) = 0;
  /// A network in that state. Valid until the next call of anything here.
  virtual Still& still(const std::string& state, TaskSet members) = 0;
  /// Steps taken for this rule so far, over all its trainings: what the plan cost.
  virtual std::size_t steps() const = 0;
};

}  // namespace mtlx::grouping
