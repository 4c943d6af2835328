// SPDX-License-Identifier: MIT
// The targets that losses, metrics and tasks are checked with.
#pragma once

#include <mtlx/core/random.hpp>

#include <cstdint>

namespace mtlx::testing {

/// Draws one target of a head with so many outputs.
using DrawTarget = double (*)(Random& random, int outputs);

/// A number of a class.
inline double class_target(Random& random, int outputs) { return random.below(static_cast<std::uint32_t>(outputs)); }
/// A number from 0 to 1.
inline double unit_target(Random& random, int) { return random.uniform(); }
/// Any number.
inline double real_target(Random& random, int) { return random.normal(); }

}  // namespace mtlx::testing
