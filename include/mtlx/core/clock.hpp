// SPDX-License-Identifier: MIT
#pragma once

#include <ctime>

namespace mtlx {

/// Seconds on a clock that is never set: only differences mean something. (<chrono> is a tenth of a second of every build.)
[[gnu::cold, gnu::noinline]] inline double clock_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace mtlx
