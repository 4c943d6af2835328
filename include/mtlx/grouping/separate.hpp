// SPDX-License-Identifier: MIT
#pragma once

#include <mtlx/grouping/grouping.hpp>

namespace mtlx::grouping {

/// Grouping policy: a network for each task.
struct Separate {
  static constexpr auto kind = Kind::grouping;

  std::vector<Group> plan(std::size_t tasks) const {
    std::vector<Group> groups;
    for (std::size_t t = 0; t < tasks; ++t) groups.push_back({TaskSet::only(t), TaskSet::only(t)});
    return groups;
  }
};

}  // namespace mtlx::grouping
