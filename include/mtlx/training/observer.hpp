// SPDX-License-Identifier: MIT
// Two hooks into training. An Observer looks on and changes nothing. A Probe may ask for the losses at other parameters,
// on the same batch with the same random draws or on held-out data; the model's own parameters are never touched.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/error.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/data/data_set.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace mtlx::training {

/// What stays the same over one training run (of one group of tasks).
struct Run {
  std::span<const std::string_view> tasks{};    ///< names
  std::span<const std::string_view> metrics{};  ///< of each task
  TaskSet members;                              ///< the tasks that train
  std::size_t epochs = 0;                       ///< to train; fewer where an interrupted run is resumed
  std::size_t steps = 0;                        ///< in an epoch
  std::size_t samples = 0;                      ///< in the training data
  bool validates = false;
  std::size_t network = 0;  ///< counts the groups of tasks
};

/// One training step. Entries of spans with one number a task belong to the model's tasks in order; a task that was not
/// present has loss and weight 0.
struct Step {
  std::size_t epoch = 0;    ///< from 0
  std::size_t step = 0;     ///< in this epoch, from 0
  std::size_t samples = 0;  ///< in the batch
  TaskSet present;          ///< tasks with a label in the batch
  std::span<const double> losses{};
  std::span<const double> weights{};  ///< the balancer's; 1 if it has none, the mean if it goes by layers
  /// Of the present tasks, (present, present), where the balancer needed it: of the gradients as they came, of the first
  /// batch if there are several, at the representation if the balancer works there.
  std::span<const double> gram{};
  std::size_t taken = 0;  ///< steps of this network before this one, over all its training
};

/// One epoch, when it is over. A task without labels has NaN.
struct Epoch {
  std::size_t epoch = 0;                        ///< from 0
  double seconds = 0;                           ///< training alone
  std::span<const double> losses{};             ///< mean over the epoch's steps, each task's
  std::span<const double> validation_losses{};  ///< empty without validation data
  std::span<const double> validation_metrics{};
  double monitor = 0;  ///< what early stopping goes by, with validation data; lower is better
  bool best =
      false;  ///< the monitor is better than after any epoch of this run before, by at least minimum_improvement
  bool stopped = false;  ///< early stopping ends the run here
};

/// Looks on while a model trains.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_begin(const Run&) {}
  virtual void on_step(const Step&) {}
  virtual void on_epoch(const Epoch&) {}
  virtual void on_end() {}
};

/// Any callable that changes a copy of the flat parameter vector, for the time of one call.
template <class Scalar>
class Edit {
 public:
  template <class Function>
    requires std::invocable<const Function&, std::span<Scalar>>
  Edit(const Function& function)  // NOLINT: a callable is an edit
      : function_(&function),
        call_([](const void* f, std::span<Scalar> parameters) { (*static_cast<const Function*>(f))(parameters); }) {}

  void operator()(std::span<Scalar> parameters) const { call_(function_, parameters); }

 private:
  const void* function_;
  void (*call_)(const void*, std::span<Scalar>);
};

/// What a probe may ask in the middle of a step: after the gradients, before the update.
template <class Scalar>
class ProbeSession {
 public:
  virtual ~ProbeSession() = default;
  /// The step so far.
  virtual const Step& step() const = 0;
  /// The flat parameter vector, and the tasks' gradients on it: row t, (tasks, shared parameters), where the balancer
  /// needs gradients of parameters; else empty. With several batches, those of the last one; where the balancer keeps a
  /// memory of them, what it left.
  virtual std::span<const Scalar> parameters() const = 0;
  virtual std::span<const Scalar> gradient(std::size_t task) const = 0;
  /// The losses of all tasks at edited parameters, on this step's batch, with its random draws. Valid until the next
  /// call; 0 for a task without labels.
  virtual std::span<const double> losses_at(const Edit<Scalar>& edit) = 0;
  /// The same on other data, all of it, evaluating (no dropout); then evaluation is on the step's batch again.
  virtual std::span<const double> losses_at(const Edit<Scalar>& edit, const data::DataSet& held_out) = 0;

  // What a step of one task alone would be, for those who measure what tasks do to each other. A device's session has none
  // of it and throws `Error`.

  /// Parameters that several tasks share: the first so many of the flat vector.
  virtual std::size_t shared() const { refuse(); }
  /// The seed of everything random in this training.
  virtual std::uint64_t seed() const { refuse(); }
  /// What the optimizer would multiply a gradient with.
  virtual double learning_rate() const { refuse(); }
  /// From now on losses and gradients are those of these samples, all of them, evaluating; the set must outlive that.
  /// nullptr: of the step's batch again.
  virtual void evaluate_on(const data::DataSet*) { refuse(); }
  /// The tasks with a label in what is evaluated on.
  virtual TaskSet present() const { refuse(); }
  /// Each task's gradient of its mean loss on the shared parameters, whatever the balancer made of it : (tasks, shared()); 0
  /// on what the task doesn't own and on what never moves; the rows of absent tasks mean nothing. They lie in `room`, a
  /// place of that size, or in the learner, and stay while the session lasts. It takes a forward pass, and a backward pass
  /// a task; none where the balancer left the gradients of the step's batch as they were.
  virtual std::span<const Scalar> task_gradients(std::span<Scalar>) { refuse(); }
  /// How the optimizer's next step would move the shared parameters if this gradient were its task's and no other was
  /// there, with its momentum and scaling; 0 on what the task doesn't own. `gradient` and `by` : (shared()). Penalties of
  /// the sharing strategy are no part of it. A norm that the optimizer asks for is that of this gradient and of the task's
  /// on its own parameters, as the last call of `task_gradients` on the step's batch found it.
  virtual void task_step(std::size_t, std::span<const Scalar>, std::span<Scalar>) { refuse(); }
  /// Whether step().gram is the inner products of these very gradients, of the present tasks.
  virtual bool has_gram() const { return false; }

 private:
  [[noreturn, gnu::cold]] static void refuse() {
    fail(
        "this backend's training has no steps of single tasks to look at: measure affinities on the processor, "
        "backend::Cpu");
  }
};

/// Asks for losses at other parameters while a model trains.
template <class Scalar>
class Probe {
 public:
  virtual ~Probe() = default;
  /// Whether to be called in that step.
  virtual bool wants(const Step& step) = 0;
  virtual void look(ProbeSession<Scalar>& session) = 0;
};

}  // namespace mtlx::training
