// SPDX-License-Identifier: MIT
// The concept of a rule that regroups while one network trains. All tasks share that network (its plan is one group); on each
// batch groups of tasks take turns: the losses of all tasks are found, and the gradients of the group's tasks alone are
// followed. A batch with M turns costs M passes and moves the shared part M times.
//
// A rule is a grouping rule (grouping.hpp) whose plan is all tasks together, and has
//   static constexpr std::size_t memory(std::size_t tasks);       numbers of its own, zero at first: with the groups they
//                                                                 are in checkpoints and copies, so that a resumed run has
//                                                                 the same bits
//   std::size_t turns(Regrouping&, std::span<TaskSet> to) const;  before a batch: writes the groups that step on it, in
//                                                                 their order, at most one a task, and returns how many.
//                                                                 One of all tasks is plain training, to the bit
// Optional:
//   void begin(Regrouping&) const;                                before the first batch; without it all are one group
//   void took(Regrouping&, const GroupStep&) const;               after a group's step, when the losses after it are known:
//                                                                 they are the next group's before, and cost nothing. The
//                                                                 last group's are found only if
//   bool looks_after(const Regrouping&) const;                    says so (one more forward pass)
//   bool wants(const Regrouping&) const;                          whether to look at a moment (grouping/affinity.hpp) of
//   void look(Regrouping&, Moment&) const;                        the coming batch's first step; with these two
//   double held_out;                                              the share of the training samples that is set aside for
//                                                                 it; 0: losses are those of the batch
// Each may call regroup, which holds from the next batch on. A rule sees numbers alone, and is const: what it remembers is in
// the Regrouping. Laws: equal numbers give equal turns and groups; random numbers come from Regrouping::random.
//
// The smallest type that models it, two groups by turns:
//   struct Halves {
//     static constexpr auto kind = Kind::grouping;
//     std::vector<Group> plan(std::size_t tasks) const { return Together{}.plan(tasks); }
//     static constexpr std::size_t memory(std::size_t) { return 0; }
//     std::size_t turns(Regrouping& now, std::span<TaskSet> to) const { ... }
//   };
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::grouping {

/// What a group's step did, on one batch with the same random draws before and after it.
struct GroupStep {
  TaskSet acting;                  ///< the group's tasks with labels in the batch
  TaskSet present;                 ///< the tasks with labels in the batch
  std::span<const double> before;  ///< each task's loss, (tasks); 0 where it isn't present
  std::span<const double> after;
};

/// Groups from a batch on.
struct GroupChange {
  std::size_t batch = 0;  ///< counted from 0 over the whole training
  std::vector<TaskSet> groups;
};

/// The groups of a network that is regrouped as it trains, and how they came about.
struct GroupHistory {
  std::vector<TaskSet> groups;     ///< now
  std::size_t batches = 0;         ///< trained
  std::size_t passes = 0;          ///< turns taken: forward and backward over a batch
  std::size_t changes = 0;         ///< of the groups, since the first
  std::vector<GroupChange> log{};  ///< the last changes, oldest first: at most Regrouping::logged

  /// In words: the groups, and when they changed. names : (tasks).
  [[gnu::cold, gnu::noinline]] std::string text(std::span<const std::string_view> names) const {
    const auto listed = [&](const std::vector<TaskSet>& sets) {
      std::string line;
      for (const TaskSet set : sets) {
        line += line.empty() ? "{" : " {";
        bool first = true;
        for (std::size_t t = 0; t < names.size(); ++t)
          if (set.has(t)) line += join(std::exchange(first, false) ? "" : ", ", names[t]);
        line += "}";
      }
      return line;
    };
    std::string text = join("after ", batches, " batches and ", passes, " passes: ", listed(groups), "\n");
    if (changes > log.size()) text += join("the last ", log.size(), " of ", changes, " changes:\n");
    for (const GroupChange& change : log) text += join("from batch ", change.batch, ": ", listed(change.groups), "\n");
    return text;
  }
};

/// What one network's rule has before it: the groups, and the rule's memory. A view of numbers that the network keeps.
class Regrouping {
 public:
  static constexpr std::size_t logged = 64;  ///< changes of the groups that are kept

  /// How many numbers are kept.
  static constexpr std::size_t size(std::size_t tasks, std::size_t memory) {
    return head + tasks + logged * (1 + tasks) + memory;
  }

  /// `numbers` : size(tasks, memory) of the rule; zeros are a network that has not begun. `labelled`: tasks that have
  /// training data.
  Regrouping(std::span<double> numbers, std::size_t tasks, std::uint64_t seed, TaskSet labelled)
      : numbers_(numbers), tasks_(tasks), seed_(seed), labelled_(labelled) {}

  std::size_t tasks() const { return tasks_; }
  /// Tasks that have labels in the training data; the others are in groups, too, and do nothing.
  TaskSet labelled() const { return labelled_; }
  /// Batches that are over, and turns taken.
  std::size_t batches() const { return whole(numbers_[0]); }
  std::size_t passes() const { return whole(numbers_[3]); }
  /// A stream of this batch.
  Random random() const { return {seed_, Purpose::group, batches()}; }
  /// The rule's own numbers.
  std::span<double> memory() const { return numbers_.subspan(size(tasks_, 0)); }

  std::size_t groups() const { return whole(numbers_[1]) + 1; }
  /// The group that a task is in, from 0; groups are numbered by their first tasks.
  std::size_t group_of(std::size_t task) const { return whole(numbers_[head + task]); }
  /// Writes the present groups, and returns how many they are: what `turns` may go by.
  std::size_t deal(std::span<TaskSet> to) const { return sets(numbers_.subspan(head, tasks_), to); }
  /// The same in a random order.
  std::size_t deal_shuffled(std::span<TaskSet> to) const {
    const std::size_t count = deal(to);
    random().shuffle(to.first(count));
    return count;
  }

  /// Tasks with equal labels are a group from the next turns on. labels : (tasks), any numbers. Returns whether that is a
  /// change, which is then logged but before the first batch.
  [[gnu::cold, gnu::noinline]] bool regroup(std::span<const std::size_t> labels) {
    if (labels.size() != tasks_) fail("regroup: ", labels.size(), " labels for ", tasks_, " tasks");
    bool same = true;
    std::size_t count = 0;
    for (std::size_t t = 0; t < tasks_; ++t) {
      std::size_t earlier = 0;
      while (labels[earlier] != labels[t]) ++earlier;
      const double group = earlier < t ? numbers_[head + earlier] : static_cast<double>(count++);
      same = same && numbers_[head + t] == group;
      numbers_[head + t] = group;
    }
    numbers_[1] = static_cast<double>(count - 1);
    if (same || !begun()) return !same;
    const std::span<double> entry = numbers_.subspan(head + tasks_ + whole(numbers_[2]) % logged * (1 + tasks_));
    entry[0] = numbers_[0] + (in_batch_ ? 1 : 0);
    std::copy_n(numbers_.begin() + head, tasks_, entry.begin() + 1);
    numbers_[2] += 1;
    return true;
  }

  /// What a network's numbers say.
  [[gnu::cold, gnu::noinline]] static GroupHistory history(std::span<const double> numbers, std::size_t tasks) {
    const auto listed = [&](std::span<const double> labels) {
      std::vector<TaskSet> groups(tasks);
      groups.resize(sets(labels, groups));
      return groups;
    };
    GroupHistory result{listed(numbers.subspan(head, tasks)), whole(numbers[0]), whole(numbers[3]), whole(numbers[2])};
    for (std::size_t i = result.changes - std::min(result.changes, logged); i < result.changes; ++i) {
      const std::span<const double> entry = numbers.subspan(head + tasks + i % logged * (1 + tasks), 1 + tasks);
      result.log.push_back({whole(entry[0]), listed(entry.subspan(1))});
    }
    return result;
  }

  // ---- for who trains

  /// Whether the rule's `begin` was called.
  bool begun() const { return numbers_[4] > 0; }
  void note_begin() { numbers_[4] = 1; }
  /// The batch's turns begin; one is over; all are.
  void begin_batch() { in_batch_ = true; }
  void note_turn() { numbers_[3] += 1; }
  void end_batch() {
    numbers_[0] += 1;
    in_batch_ = false;
  }

 private:
  // Batches, groups less one, changes, turns, whether begun; then each task's group, the log, and the rule's memory.
  static constexpr std::size_t head = 5;

  static std::size_t whole(double number) { return static_cast<std::size_t>(number); }
  static std::size_t sets(std::span<const double> labels, std::span<TaskSet> to) {
    std::size_t count = 0;
    std::fill(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(labels.size()), TaskSet());
    for (std::size_t t = 0; t < labels.size(); ++t) {
      TaskSet& group = to[whole(labels[t])];
      group = group.with(t);
      count = std::max(count, whole(labels[t]) + 1);
    }
    return count;
  }

  std::span<double> numbers_;
  std::size_t tasks_;
  std::uint64_t seed_;
  TaskSet labelled_;
  bool in_batch_ = false;
};

/// Whether a rule regroups while a network trains.
template <class P>
concept Regroups = requires(const P p, Regrouping& now, std::span<TaskSet> to) {
  { P::memory(std::size_t{1}) } -> std::convertible_to<std::size_t>;
  { p.turns(now, to) } -> std::same_as<std::size_t>;
};

/// Whether it looks at moments of the training.
template <class P>
concept LooksWhileTraining = Regroups<P> && requires(const P p, Regrouping& now, Moment& moment) {
  { p.wants(now) } -> std::convertible_to<bool>;
  { p.held_out } -> std::convertible_to<double>;
  p.look(now, moment);
};

}  // namespace mtlx::grouping
