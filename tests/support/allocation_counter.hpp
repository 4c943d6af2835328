// SPDX-License-Identifier: MIT
// Counts the calls of operator new, every form, on every thread. Link allocation_counter.cpp into the program: it
// replaces the global operators, which a header must not do.
#pragma once

#include <cstddef>
#include <utility>

namespace support {

/// Calls of any operator new in this program so far.
std::size_t allocations();

/// Calls of any operator new while `work` runs, on all threads.
template <class Work>
std::size_t count_allocations(Work&& work) {
  const std::size_t before = allocations();
  std::forward<Work>(work)();
  return allocations() - before;
}

}  // namespace support
