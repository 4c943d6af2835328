// SPDX-License-Identifier: MIT
#pragma once

#include <mtlx/grouping/grouping.hpp>

namespace mtlx::grouping {

/// Grouping policy: all tasks in one network.
struct Together {
  static constexpr auto kind = Kind::grouping;

  std::vector<Group> plan(std::size_t tasks) const { return {{TaskSet::first(tasks), TaskSet::first(tasks)}}; }
};

}  // namespace mtlx::grouping
