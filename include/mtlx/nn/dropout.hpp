// SPDX-License-Identifier: MIT
// Training: y = x m / (1 - p) with m = 1 with probability 1 - p, else 0;  dx = dy m / (1 - p). Evaluating: y = x.
// Reference: Srivastava et al., "Dropout", JMLR 2014 (the inverted form).
#pragma once

#include <mtlx/core/scalar.hpp>
#include <mtlx/nn/layer.hpp>

#include <algorithm>

namespace mtlx::nn {

/// Drops each number with a probability of `Percent` / 100 while training. The draws are those of the step, the layer,
/// the sample and the unit, on any backend and any number of threads.
template <int Percent>
struct Dropout {
  static constexpr std::string_view name = "Dropout";
  static constexpr bool in_place = true;
  static constexpr Shape output(Shape in) { return in; }
  /// The factors, for backward.
  static constexpr std::size_t saved(Shape in) { return in.size(); }

  template <Shape In>
  static consteval bool check() {
    static_assert(Percent >= 0 && Percent < 100, "mtlx: Dropout takes a percentage from 0 to 99");
    return Percent >= 0 && Percent < 100;
  }

  template <Shape In>
  static void forward_sample(const auto& s) {
    using Number = typename std::remove_cvref_t<decltype(s)>::Number;
    const Number drop = Number(0.01F * Percent);
    const Number keep = Number(1) / (Number(1) - drop);
    for (std::size_t first = 0; first < In.size(); first += 4) {
      if (s.training) {
        const auto numbers = s.uniform(static_cast<std::uint32_t>(first / 4));
        for (std::size_t i = first; i < std::min(first + 4, In.size()); ++i)
          s.saved[i] = select(numbers[i - first] < drop, Number(0), keep);
      } else {
        for (std::size_t i = first; i < std::min(first + 4, In.size()); ++i) s.saved[i] = Number(1);
      }
      for (std::size_t i = first; i < std::min(first + 4, In.size()); ++i) s.y[i] = s.x[i] * s.saved[i];
    }
  }
  template <Shape In>
  static void backward_sample(const auto& s) {
    for (std::size_t i = 0; i < In.size(); ++i) s.dx[i] = s.dy[i] * s.saved[i];
  }
};

}  // namespace mtlx::nn
