// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <span>
#include <vector>

namespace mtlx::grouping::detail {

// Amounts of steps : (tasks), for any number of tasks.
using Amounts = std::array<double, TaskSet::capacity>;

// Whether a loss can be divided by.
inline bool divides(double loss) { return is_finite(loss) && loss > 0; }

// function(task) for each that is present.
template <class Function>
void for_each_present(const Moment& moment, Function&& function) {
  for (std::size_t t = 0; t < moment.tasks(); ++t)
    if (moment.present().has(t)) function(t);
}

// table[affected, acting] = value(affected, acting) where that is finite, for present tasks whose loss divides.
template <class Value>
void fill(Moment& moment, std::span<const double> losses, std::span<double> table, Value&& value) {
  for_each_present(moment, [&](std::size_t acting) {
    for_each_present(moment, [&](std::size_t affected) {
      if (!divides(losses[affected])) return;
      if (const double found = value(affected, acting); is_finite(found))
        table[affected * moment.tasks() + acting] = found;
    });
  });
}

// Losses last until the next question.
[[gnu::cold, gnu::noinline]] inline std::vector<double> kept(std::span<const double> losses) {
  return {losses.begin(), losses.end()};
}

// The exact lookahead of every pair; also Corrected's.
[[gnu::cold, gnu::noinline]] inline void look_ahead(Moment& moment, std::span<double> table) {
  const std::vector<double> losses = kept(moment.losses());
  std::span<const double> after;
  std::size_t looked = moment.tasks();
  fill(moment, losses, table, [&](std::size_t affected, std::size_t acting) {
    if (looked != acting) {
      Amounts amounts{};
      amounts[acting] = 1;
      after = moment.losses_after(std::span(amounts).first(moment.tasks()));
      looked = acting;
    }
    return 1 - after[affected] / losses[affected];
  });
}

}  // namespace mtlx::grouping::detail
