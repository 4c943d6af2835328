// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <mtlx/core/task_set.hpp>

namespace mtlx {

/// A run of the flat parameter vector that belongs to some tasks: all (a trunk), some, or one (a head). A step in which
/// none of the owners takes part leaves its bits, and its optimizer state's, as they are.
struct Segment {
  std::size_t offset = 0;
  std::size_t size = 0;
  TaskSet owners;
};

}  // namespace mtlx
