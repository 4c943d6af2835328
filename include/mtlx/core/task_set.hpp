// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace mtlx {

/// A set of tasks, named by their positions in the model's task list. At most `TaskSet::capacity` tasks.
class TaskSet {
 public:
  static constexpr std::size_t capacity = 64;

  constexpr TaskSet() = default;

  /// The first `count` tasks.
  static constexpr TaskSet first(std::size_t count) {
    TaskSet set;
    set.bits_ = count >= capacity ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
    return set;
  }
  /// The tasks whose bits are set: the inverse of `bits`.
  static constexpr TaskSet of_bits(std::uint64_t bits) {
    TaskSet set;
    set.bits_ = bits;
    return set;
  }
  /// The set of one task.
  static constexpr TaskSet only(std::size_t task) { return TaskSet{}.with(task); }

  constexpr TaskSet with(std::size_t task) const {
    TaskSet set = *this;
    set.bits_ |= std::uint64_t{1} << task;
    return set;
  }
  constexpr TaskSet without(std::size_t task) const {
    TaskSet set = *this;
    set.bits_ &= ~(std::uint64_t{1} << task);
    return set;
  }
  constexpr bool has(std::size_t task) const { return (bits_ >> task & 1) != 0; }
  /// Bit t is set where task t is in.
  constexpr std::uint64_t bits() const { return bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr std::size_t count() const { return static_cast<std::size_t>(std::popcount(bits_)); }
  /// Whether the two sets have a task in common.
  constexpr bool meets(TaskSet other) const { return (bits_ & other.bits_) != 0; }

  friend constexpr TaskSet operator&(TaskSet a, TaskSet b) {
    a.bits_ &= b.bits_;
    return a;
  }
  friend constexpr TaskSet operator|(TaskSet a, TaskSet b) {
    a.bits_ |= b.bits_;
    return a;
  }
  friend constexpr bool operator==(TaskSet, TaskSet) = default;

 private:
  std::uint64_t bits_ = 0;
};

}  // namespace mtlx
