// SPDX-License-Identifier: MIT
// The concept of a mask rule: which weights of a shared trunk serve which tasks.
//
// Task t's subnet is the trunk with the weights theta * m_t, m_t of 0 and 1. Masks are kept the other way round: of each
// shared parameter the set of tasks that own it. A step updates what a present task owns, and nothing else: no moment, no
// decay moves the rest. Biases, norms and embeddings belong to all tasks.
//
// A rule is an aggregate of hyper-parameters with
//   static constexpr std::size_t memory;                 numbers of its own a task and shared parameter, zero at first
//   template <class S> void begin(const MaskStep<S>&) const;   before the first step of a training: no gradients yet
//   template <class S> void step(const MaskStep<S>&) const;    in a step, after backward and before the update
// Both may change the owners of the parameters in blocks, and the parameters there; a step's update keeps to the owners
// that `step` leaves. A rule with neither keeps the masks it has: all of them full, or given by the user.
//
// Optional:
//   struct State;                                        trivially copyable, for `step(const MaskStep<S>&, State&)`
//   bool holds(std::size_t step, const State&) const;    asked after `step`: nothing is updated in this step, the rule
//                                                        only looks; or holds(step) without a State
//   bool wants(const Time&, std::size_t step) const;     whether `step` is called in that step (always, if absent)
//   static constexpr bool given = true;                  the user may give masks: `model.set_masks`
//   void validate() const;
//   template <class S, class Train> FoundMasks<S> find(const MaskSearch<S>&, Train&& train) const;
//                                                        for rules that need trainings of their own before the one that
//                                                        `fit` does; see MaskSearch
//
// Laws: equal inputs give equal masks on any number of threads; owners are tasks that the network has.
#pragma once

#include <concepts>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/nn/layer.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace mtlx::sharing {

/// A block of shared parameters; those of the role `weight` may be masked.
struct MaskBlock {
  std::string path;  ///< "trunk.0.weight"
  nn::Parameter parameter;
  std::size_t offset = 0;  ///< in the flat vector

  bool prunable() const { return parameter.role == nn::Role::weight; }
};

/// What a rule sees of a step. Spans over parameters are as long as the network's shared part, and indexed like it.
template <class S>
struct MaskStep {
  std::size_t tasks = 0;                ///< of the network, present or not
  TaskSet labelled;                     ///< tasks that this training has data of; the others keep full masks
  TaskSet present;                      ///< with labels in this step
  std::span<const double> labels;       ///< how many labels each task's mean loss is over : (tasks)
  std::span<const MaskBlock> blocks;    ///< all blocks of the shared part, in order
  std::span<S> parameters;              ///< the values, also where no task sees them
  std::span<TaskSet> owners;            ///< the tasks whose masks are 1
  std::span<const S* const> gradients;  ///< of each task's mean loss at its masked weights, without the mask : (tasks);
                                        ///< null for absent tasks; times its weight where a balancer weighs losses
  std::span<S> memory;                  ///< the rule's own : (tasks, Rule::memory, shared)
  std::span<S> moments;                 ///< the optimizer's : (states, `stride`); a weight that is born has 0 there
  std::size_t stride = 0;
  Random random{0, Purpose::mask, 0};
  Time time;
  std::size_t step = 0;  ///< steps taken before

  /// Row `row` of the rule's memory for one task.
  std::span<S> remembered(std::size_t task, std::size_t row, std::size_t rows) const {
    return memory.subspan((task * rows + row) * parameters.size(), parameters.size());
  }
  /// The optimizer forgets what it knows of a parameter.
  void forget(std::size_t parameter) const {
    for (std::size_t at = parameter; at < moments.size(); at += stride) moments[at] = S(0);
  }
};

/// What a rule may know that searches with trainings of its own. The callable it is given trains on the fit's data:
/// train(TaskSet tasks, std::span<const S> start, std::span<const TaskSet> owners) -> TrainedMasks<S>: for as many epochs
/// as the fit has (or as the fourth argument says), from `start` (the whole vector, heads too) with a fresh optimizer, these
/// tasks' losses alone, under these masks.
template <class S>
struct MaskSearch {
  std::size_t tasks = 0;
  TaskSet labelled;                   ///< tasks with training data; the others keep full masks
  std::span<const MaskBlock> blocks;  ///< all blocks of the shared part, in order; they cover it
  std::span<const S> start;           ///< the first parameters : (parameters)
  std::size_t epochs = 0;             ///< of the fit
};

/// What a training of a search ended with.
template <class S>
struct TrainedMasks {
  std::vector<S> parameters;   ///< the whole vector after the last epoch
  std::vector<double> scores;  ///< of each task on validation data after it, higher is better; NaN where there is none
};

/// What a search found.
template <class S>
struct FoundMasks {
  std::vector<TaskSet> owners;  ///< of each shared parameter
  std::vector<S> start;         ///< the whole vector that the joint training begins with
  std::size_t trainings = 0;    ///< how many it took
};

/// A mask rule; see the head of this file.
template <class R>
concept MaskRule = std::is_aggregate_v<R> && requires {
  { R::memory } -> std::convertible_to<std::size_t>;
};

namespace detail {
template <class S>
struct AnyTraining {
  TrainedMasks<S> operator()(TaskSet, std::span<const S>, std::span<const TaskSet>, std::size_t = 0) const;
};
}  // namespace detail

/// Whether a rule searches with trainings of its own.
template <class Rule>
concept Searches = requires(const Rule rule, const MaskSearch<float>& search) {
  { rule.find(search, detail::AnyTraining<float>{}) } -> std::same_as<FoundMasks<float>>;
};

/// The masks of one network, as `model.masks()` gives them and `model.set_masks` takes them.
struct Masks {
  std::vector<std::string> tasks;
  std::vector<MaskBlock> blocks;  ///< of the shared part, in order; they cover it
  std::vector<TaskSet> owners;    ///< of each shared parameter
};

/// Throws `Error` unless `given` are masks of the network that has `own`: its tasks and blocks, and nothing but weights
/// that some tasks do without.
[[gnu::cold, gnu::noinline]] inline void check_masks(const Masks& given, const Masks& own) {
  if (given.tasks != own.tasks) {
    std::string names;
    for (const std::string& name : given.tasks) names += names.empty() ? name : ", " + name;
    std::string expected;
    for (const std::string& name : own.tasks) expected += expected.empty() ? name : ", " + name;
    fail("masks: they are of the tasks ", names, ", expected ", expected);
  }
  if (given.blocks.size() != own.blocks.size())
    fail("masks: they are of ", given.blocks.size(), " blocks of parameters, expected ", own.blocks.size());
  if (given.owners.size() != own.owners.size())
    fail("masks: they have owners of ", given.owners.size(), " parameters, expected ", own.owners.size());
  const TaskSet all = TaskSet::first(own.tasks.size());
  for (std::size_t b = 0; b < own.blocks.size(); ++b) {
    const MaskBlock &block = given.blocks[b], &expected = own.blocks[b];
    if (block.path != expected.path || block.parameter.shape != expected.parameter.shape ||
        block.offset != expected.offset)
      fail("masks: block ", b, " is ", block.path, ", expected ", expected.path, " of the network's shape and place");
    for (std::size_t i = expected.offset; i < expected.offset + expected.parameter.size(); ++i) {
      if ((given.owners[i] & all) != given.owners[i])
        fail("masks: number ", i - expected.offset, " of ", block.path, " has an owner that is no task");
      if (!expected.prunable() && given.owners[i] != all)
        fail("masks: ", block.path, " is no weight, and must be every task's");
    }
  }
}

}  // namespace mtlx::sharing
