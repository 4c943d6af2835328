// SPDX-License-Identifier: MIT
#include <mtlx/core/task_set.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

TEST_CASE("an empty set") {
  constexpr TaskSet none;
  CHECK(none.empty());
  CHECK(none.count() == 0);
  CHECK_FALSE(none.has(0));
  CHECK_FALSE(none.meets(TaskSet::first(64)));
  CHECK(none == TaskSet::first(0));
}

TEST_CASE("the first tasks") {
  for (std::size_t count = 0; count <= TaskSet::capacity; ++count) {
    const TaskSet set = TaskSet::first(count);
    CHECK(set.count() == count);
    for (std::size_t task = 0; task < TaskSet::capacity; ++task) CHECK(set.has(task) == (task < count));
  }
}

TEST_CASE("sets are made of single tasks") {
  const TaskSet set = TaskSet::only(3).with(63).with(3);
  CHECK(set.count() == 2);
  CHECK(set.has(3));
  CHECK(set.has(63));
  CHECK_FALSE(set.has(4));
  CHECK(TaskSet::only(3).count() == 1);
  CHECK(set == TaskSet::only(63).with(3));
  CHECK(set != TaskSet::only(3));
}

TEST_CASE("bits and back") {
  CHECK(TaskSet::of_bits(0).empty());
  CHECK(TaskSet::of_bits(0b1010) == TaskSet::only(1).with(3));
  CHECK(TaskSet::of_bits(TaskSet::only(63).with(0).bits()) == TaskSet::only(0).with(63));
}

TEST_CASE("meeting, cutting and joining") {
  const TaskSet a = TaskSet::first(4), b = TaskSet::only(3).with(10), c = TaskSet::only(10);
  CHECK(a.meets(b));
  CHECK(b.meets(c));
  CHECK_FALSE(a.meets(c));
  CHECK((a & b) == TaskSet::only(3));
  CHECK((a & c).empty());
  CHECK((a | c).count() == 5);
  CHECK((a | b) == (b | a));
}
