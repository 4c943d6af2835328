// SPDX-License-Identifier: MIT
#pragma once

#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <string_view>

namespace mtlx {

/// What a number among the options may be: from `least` to `most`, or to just below it.
struct Range {
  double least = 0;
  double most = std::numeric_limits<double>::max();
  bool most_too = true;  ///< whether `most` itself is allowed
};

/// Throws `Error` unless the option is a finite number within the range. `option` names policy and option.
[[gnu::cold, gnu::noinline]] inline void check_option(std::string_view option, double given, Range range = {}) {
  const bool right = is_finite(given) && given >= range.least && given <= range.most;
  if (right && (range.most_too || given < range.most)) return;
  if (range.most == Range{}.most) fail(option, " must be a number of at least ", range.least, ", and is ", given);
  fail(option, " must be at least ", range.least, range.most_too ? " and at most " : " and less than ", range.most,
       ", and is ", given);
}

/// Asks a policy that has `void validate() const` whether its options are in range; it throws `Error` if not.
template <class P>
void validate(const P& policy) {
  if constexpr (requires { policy.validate(); }) policy.validate();
}

}  // namespace mtlx
