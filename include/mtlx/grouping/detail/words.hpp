// SPDX-License-Identifier: MIT
// What grouping rules say of their plans in words.
#pragma once

#include <cstddef>
#include <cstdio>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/grouping/search.hpp>
#include <mtlx/grouping/statistics/words.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtlx::grouping::detail {

/// Throws `Error`, naming the rule, unless networks and runs are at least 1 and the share that is set aside is below 1.
[[gnu::cold, gnu::noinline]] inline void check_search_options(std::string_view rule, std::size_t groups,
                                                              std::size_t runs, double held_out) {
  check_option(join(rule, ": groups"), static_cast<double>(groups), {.least = 1});
  check_option(join(rule, ": runs"), static_cast<double>(runs), {.least = 1});
  check_option(join(rule, ": held_out"), held_out, {.most = 1, .most_too = false});
}

/// Three digits: 0.0123.
[[gnu::cold, gnu::noinline]] inline std::string short_number(double x) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.3g", x);
  return digits;
}
/// A share as percent: +1.2 %.
[[gnu::cold, gnu::noinline]] inline std::string percent(double share) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%+.1f %%", 100 * share);
  return digits;
}

/// "a, b and c".
[[gnu::cold, gnu::noinline]] inline std::string listed_tasks(TaskSet set, std::span<const std::string_view> names) {
  std::string text;
  std::size_t left = set.count();
  for (std::size_t t = 0; t < names.size(); ++t)
    if (set.has(t)) {
      text += names[t];
      --left;
      text += left > 1 ? ", " : left == 1 ? " and " : "";
    }
  return text;
}

/// The plan as a line.
[[gnu::cold, gnu::noinline]] inline std::string plan_words(const std::vector<Group>& plan,
                                                           std::span<const std::string_view> names) {
  return join("Plan: ", plan_text(plan, names),
              plan.size() > 1 ? " (a network each, apart by semicolons; in brackets: predicted by another).\n" : ".\n");
}

[[gnu::cold, gnu::noinline]] inline std::vector<std::string> task_names(std::span<const std::string_view> names) {
  return {names.begin(), names.end()};
}

/// The last sentence of everything that is said of groups, to be joined.
inline constexpr const char* no_cause = grouping::no_cause.data();

/// What is to be said where a search ended without a proof; else nothing.
[[gnu::cold, gnu::noinline]] inline std::string search_words(const GroupSearch& found) {
  if (found.optimal) return {};
  return join("The plan is not proved to be the best by these numbers: ", short_number(found.value),
              ", and no plan is above ", short_number(found.bound), ".\n");
}

/// The plan of a model with one task, for which nothing is trained.
[[gnu::cold, gnu::noinline]] inline Plan plan_of_one_task() {
  return {{{TaskSet::only(0), TaskSet::only(0)}}, {.text = "There is one task, and nothing to group.\n"}};
}

}  // namespace mtlx::grouping::detail
