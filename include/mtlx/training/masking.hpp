// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/policy_state.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/sharing/masks.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::training {

/// The masks of one network in training, and what their rule remembers; nothing for a network without masks.
template <class Net, class Scalar>
class Masking {
 public:
  static constexpr std::size_t bytes_kept = 0;
  explicit Masking(const sharing::StrategyOf<Net>&) {}
};

template <class Net, class Scalar>
  requires sharing::masked<Net>
class Masking<Net, Scalar> {
  static constexpr std::size_t tasks = Net::tasks;

 public:
  using Rule = typename sharing::StrategyOf<Net>::Rule;
  using State = PolicyState<Rule>;
  static constexpr std::size_t bytes_kept = Net::shared * (sizeof(TaskSet) + tasks * Rule::memory * sizeof(Scalar));

  /// Full masks, until the rule begins.
  [[gnu::cold]] explicit Masking(const sharing::StrategyOf<Net>& strategy)
      : rule_(strategy.rule), owners_(Net::shared), memory_(tasks * Rule::memory * Net::shared) {
    std::fill(owners_.span().begin(), owners_.span().end(), TaskSet::first(tasks));
    Net::for_each_parameter([&](const nn::Path& path, const nn::Parameter& parameter, std::size_t offset) {
      if (offset < Net::shared) blocks_.push_back({path.text(), parameter, offset});
    });
  }

  const Rule& rule() const { return rule_; }
  std::span<const TaskSet> owners() const { return owners_.span(); }
  const std::vector<sharing::MaskBlock>& blocks() const { return blocks_; }
  void set_owners(std::span<const TaskSet> owners) { std::copy(owners.begin(), owners.end(), owners_.data()); }
  /// From now on the rule isn't asked.
  void freeze() { frozen_ = true; }

  /// Task t's shared parameters under its mask, for the numbers [begin, begin + to.size()).
  void cover(const Scalar* parameters, std::size_t t, std::size_t begin, std::span<Scalar> to) const {
    const TaskSet task = TaskSet::only(t);
    for (std::size_t i = 0; i < to.size(); ++i) {
      const Scalar number = parameters[begin + i];  // read in any case, or compilers don't use vectors
      to[i] = owners_[begin + i].meets(task) ? number : Scalar(0);
    }
  }
  /// Takes a task's gradient off what it doesn't own.
  void mask(std::size_t t, std::size_t begin, std::span<Scalar> gradient) const {
    const TaskSet task = TaskSet::only(t);
    for (std::size_t i = 0; i < gradient.size(); ++i)
      gradient[i] = owners_[begin + i].meets(task) ? gradient[i] : Scalar(0);
  }
  /// 1 for what some of the tasks own.
  void note_moving(TaskSet present, std::size_t begin, std::span<Scalar> moving) const {
    for (std::size_t i = 0; i < moving.size(); ++i)
      moving[i] = owners_[begin + i].meets(present) ? Scalar(1) : Scalar(0);
  }

  /// Whether nothing is updated in this step: the rule, which has seen it, looks only.
  bool holds(std::size_t step) const {
    if constexpr (requires { rule_.holds(step, state_); })
      return !frozen_ && rule_.holds(step, state_);
    else if constexpr (requires { rule_.holds(step); })
      return !frozen_ && rule_.holds(step);
    else
      return false;
  }

  /// Before the first step of a training.
  [[gnu::cold]] void begin(sharing::MaskStep<Scalar> step) {
    if (frozen_) return;
    complete(step);
    if constexpr (requires { rule_.begin(step); }) rule_.begin(step);
  }
  /// In a step, after backward.
  void step(sharing::MaskStep<Scalar> step) {
    if (frozen_) return;
    if constexpr (requires { rule_.wants(step.time, step.step); })
      if (!rule_.wants(step.time, step.step)) return;
    complete(step);
    if constexpr (requires { rule_.step(step, state_); })
      rule_.step(step, state_);
    else if constexpr (requires { rule_.step(step); })
      rule_.step(step);
  }

  /// What training changes, as bytes.
  template <class Byte, class Self>
  static std::array<std::span<Byte>, 3> bytes(Self& self) {
    return {{as_bytes<Byte>(self.owners_.data(), self.owners_.size()),
             as_bytes<Byte>(self.memory_.data(), self.memory_.size()),
             as_bytes<Byte>(&self.state_, std::is_empty_v<State> ? 0 : 1)}};
  }

 private:
  template <class Byte, class T>
  static std::span<Byte> as_bytes(T* first, std::size_t count) {
    return {reinterpret_cast<Byte*>(first), count * sizeof(T)};
  }
  void complete(sharing::MaskStep<Scalar>& step) {
    step.tasks = tasks;
    step.blocks = blocks_;
    step.owners = owners_.span();
    step.memory = memory_.span();
  }

  Rule rule_;
  Buffer<TaskSet> owners_;
  Buffer<Scalar> memory_;
  State state_{};
  std::vector<sharing::MaskBlock> blocks_;
  bool frozen_ = false;
};

}  // namespace mtlx::training
